#include "pipeline/sentinel/actions.h"
#include "base/file.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_BYTES ((size_t)1 << 16)

static bool has(const json_t *list, const char *text, size_t size)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_string_length(json_array_get(list, i)) == size && !memcmp(json_string_value(json_array_get(list, i)), text, size))
            return true;
    return false;
}

static nj_status add_lines(const char *path, const char *text, size_t size, json_t *list, struct nj_error *error)
{
    size_t number = 1;
    for (const char *at = text, *end = text + size; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t      length;
        stop = stop ? stop : end;
        at += strspn(at, " \t") < (size_t)(stop - at) ? strspn(at, " \t") : (size_t)(stop - at);
        for (length = (size_t)(stop - at); length && strchr(" \t\r", at[length - 1]);)
            length--;
        if (length >= NJ_ACTION_TEXT)
            return nj_fail(error, "%s:%zu: an action has at most %d bytes", path, number, NJ_ACTION_TEXT - 1);
        if (length && !has(list, at, length) && json_array_append_new(list, json_stringn(at, length)) != 0)
            return nj_fail(error, "%s:%zu: this line is not UTF-8", path, number);
        if (json_array_size(list) > NJ_ACTIONS)
            return nj_fail(error, "%s:%zu: more than %d actions", path, number, NJ_ACTIONS);
        at = stop + 1;
    }
    return json_array_size(list) > 1 ? NJ_OK : nj_fail(error, "%s: two or more actions are expected, one a line", path);
}

nj_status nj_actions_read(const char *adapter, json_t **out, struct nj_error *error)
{
    char     path[4096];
    uint8_t *text = NULL;
    size_t   size;
    *out = NULL;
    if (snprintf(path, sizeof path, "%s/actions.txt", adapter) >= (int)sizeof path)
        return nj_fail(error, "%s: the path is too long", adapter);
    if (access(path, F_OK) != 0)
        return NJ_OK;
    nj_status status = nj_file_read(path, LIST_BYTES, &text, &size, error);
    json_t   *list   = json_array();
    if (status == NJ_OK)
        status = list ? add_lines(path, (const char *)text, size, list, error) : nj_fail(error, "%s: no memory for it", path);
    free(text);
    if (status == NJ_OK)
        *out = list;
    else
        json_decref(list);
    return status;
}

json_t *nj_action_conversation(unsigned frames, const json_t *actions)
{
    struct nj_text text         = {0};
    json_t        *content      = json_array();
    json_t        *conversation = NULL;
    for (unsigned i = 0; i < frames; i++)
        json_array_append_new(content, json_pack("{s:s}", "type", "image"));
    nj_text_add(&text, "What action is shown in these frames?");
    for (size_t i = 0; i < json_array_size(actions); i++)
        nj_text_addf(&text, "%s%s", i ? ", " : " Answer with one of: ", json_string_value(json_array_get(actions, i)));
    json_array_append_new(content, json_pack("{s:s, s:s}", "type", "text", "text", text.data ? text.data : ""));
    if (!text.failed && json_array_size(content) == frames + 1)
        conversation = json_pack("{s:[{s:s, s:O}]}", "messages", "role", "user", "content", content);
    json_decref(content);
    nj_text_free(&text);
    return conversation;
}

void nj_action_from_text(const char *text, size_t size, bool listed, char out[NJ_ACTION_TEXT])
{
    size_t  used  = 0;
    json_t *value = listed ? json_loadb(text, size, JSON_DECODE_ANY, NULL) : NULL;
    *out          = 0;
    if (value)
        snprintf(out, NJ_ACTION_TEXT, "%s", json_string_value(value) ? json_string_value(value) : "");
    json_decref(value);
    if (listed)
        return;
    while (size && strchr(" \t\r\n", *text))
        text++, size--;
    while (size && *text != '\n' && *text != '\r') {
        size_t length = nj_utf8_length((const uint8_t *)text, size, NULL);
        if (used + length >= NJ_ACTION_TEXT)
            break;
        if (length > 1 || (length == 1 && (unsigned char)*text >= 0x20 && *text != 0x7F)) {
            memcpy(out + used, text, length);
            used += length;
        }
        text += length ? length : 1;
        size -= length ? length : 1;
    }
    while (used && strchr(" .", out[used - 1]))
        used--;
    out[used] = 0;
}
