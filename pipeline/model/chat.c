/* chat.c: the turns of a conversation. Tools and values are in chat_tools.c and chat_value.c. */
#include "pipeline/model/chat_internal.h"

#include <stdlib.h>
#include <string.h>

#define CHANNEL_OPEN  "<|channel>"
#define CHANNEL_CLOSE "<channel|>"

/* What a turn ended with: it decides what the generation prompt says. */
enum last { LAST_TEXT, LAST_CALL, LAST_RESPONSE };

struct renderer {
    struct nj_chat_writer         w;
    const struct nj_chat_options *options;
    const json_t                 *messages;
    size_t                        count, last_user; /* count: no user message at all */
    enum last                     last;
    bool                          previous_is_assistant; /* of the message before that is not from a tool */
};

static bool is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && json_string_length(value) == strlen(text) && strcmp(json_string_value(value), text) == 0;
}

static bool is_one_of(const json_t *value, const char *a, const char *b)
{
    return is_text(value, a) || is_text(value, b);
}

/* White space as Python's str.strip sees it. */
static bool is_space(uint32_t point)
{
    return (point >= 0x09 && point <= 0x0d) || (point >= 0x1c && point <= 0x20) || point == 0x85 || point == 0xa0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 || point == 0x202f || point == 0x205f ||
           point == 0x3000;
}

static struct nj_string_view trim(struct nj_string_view view)
{
    uint32_t point;
    for (size_t length; view.size > 0; view.data += length, view.size -= length) {
        length = nj_utf8_length((const uint8_t *)view.data, view.size, &point);
        if (length == 0 || !is_space(point))
            break;
    }
    while (view.size > 0) {
        size_t begin = view.size - 1;
        while (begin > 0 && ((unsigned char)view.data[begin] & 0xc0) == 0x80)
            begin--;
        if (nj_utf8_length((const uint8_t *)view.data + begin, view.size - begin, &point) != view.size - begin || !is_space(point))
            break;
        view.size = begin;
    }
    return view;
}

static void add_trimmed(struct renderer *r, struct nj_string_view view)
{
    view = trim(view);
    nj_text_add_bytes(&r->w.text, view.data, view.size);
}

static const char *find(const char *text, size_t size, const char *what)
{
    return memmem(text, size, what, strlen(what));
}

/* Model text without its thoughts: split at each channel end, of each piece what stands before its first channel start. */
static void add_without_thoughts(struct renderer *r, struct nj_string_view view)
{
    struct nj_text kept = {0};
    const char    *at = view.data, *end = view.data + view.size;
    while (at < end) {
        const char *close = find(at, (size_t)(end - at), CHANNEL_CLOSE), *stop = close ? close : end;
        const char *open = find(at, (size_t)(stop - at), CHANNEL_OPEN);
        nj_text_add_bytes(&kept, at, (size_t)((open ? open : stop) - at));
        at = close ? close + strlen(CHANNEL_CLOSE) : end;
    }
    add_trimmed(r, (struct nj_string_view){kept.data, kept.length});
    r->w.text.failed |= kept.failed;
    nj_text_free(&kept);
}

static struct nj_string_view view_of(const json_t *string)
{
    return (struct nj_string_view){json_string_value(string), json_string_length(string)};
}

static bool add_medium(struct renderer *r, const json_t *type)
{
    if (is_one_of(type, "image", "image_url"))
        nj_chat_marker(&r->w, "<|image|>");
    else if (is_one_of(type, "audio", "input_audio"))
        nj_chat_marker(&r->w, "<|audio|>");
    else if (is_text(type, "video"))
        nj_chat_marker(&r->w, "<|video|>");
    else
        return false;
    return true;
}

static void add_text(struct renderer *r, const json_t *text, bool is_model)
{
    if (is_model)
        add_without_thoughts(r, view_of(text));
    else
        add_trimmed(r, view_of(text));
}

static nj_status add_content(struct renderer *r, size_t index, const json_t *content, bool is_model)
{
    if (json_is_object(content))
        return nj_fail(r->w.error, "messages[%zu].content: a string or a list of parts is expected, not a map", index);
    if (json_is_string(content))
        add_text(r, content, is_model);
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i), *type = json_object_get(part, "type"), *text = json_object_get(part, "text");
        if (!json_is_object(part))
            return nj_fail(r->w.error, "messages[%zu].content[%zu]: a part such as {\"type\": \"text\", …} is expected", index, i);
        if (add_medium(r, type) || !is_text(type, "text"))
            continue;
        if (text ? !json_is_string(text) : is_model)
            return nj_fail(r->w.error, "messages[%zu].content[%zu]: a text part has no text", index, i);
        if (text)
            add_text(r, text, is_model);
    }
    return NJ_OK;
}

/* The text of the system turn: a string is trimmed, of a list each part is trimmed and followed by a space. */
static nj_status add_system_text(struct renderer *r, const json_t *content)
{
    if (json_is_object(content))
        return nj_fail(r->w.error, "messages[0].content: a string or a list of parts is expected, not a map");
    if (json_is_string(content))
        add_trimmed(r, view_of(content));
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *text = json_object_get(json_array_get(content, i), "text");
        if (text && !json_is_string(text))
            return nj_fail(r->w.error, "messages[0].content[%zu].text: a string is expected", i);
        if (text)
            add_trimmed(r, view_of(text));
        nj_text_add(&r->w.text, " ");
    }
    return NJ_OK;
}

static nj_status add_tools(struct renderer *r, const json_t *tools)
{
    if (!json_is_array(tools))
        return nj_fail(r->w.error, "tools: a list is expected");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        nj_chat_marker(&r->w, "<|tool>");
        nj_status status = nj_chat_declaration(&r->w, json_array_get(tools, i));
        if (status != NJ_OK) {
            nj_error_prefix(r->w.error, "tools[%zu]", i);
            return status;
        }
        nj_chat_marker(&r->w, "<tool|>");
    }
    return NJ_OK;
}

static void open_turn(struct renderer *r, const char *role)
{
    nj_chat_marker(&r->w, "<|turn>");
    nj_text_add(&r->w.text, role);
    nj_text_add(&r->w.text, "\n");
}

static void close_turn(struct renderer *r)
{
    nj_chat_marker(&r->w, "<turn|>");
    nj_text_add(&r->w.text, "\n");
}

/* The first system turn, which also holds the thinking token and the tools. *first becomes the message behind it. */
static nj_status add_head(struct renderer *r, const json_t *tools, size_t *first)
{
    const json_t *message   = json_array_get(r->messages, 0);
    bool          is_system = is_one_of(json_object_get(message, "role"), "system", "developer");
    nj_status     status    = NJ_OK;
    *first                  = is_system;
    if (!r->options->thinking && !nj_chat_is_true(tools) && !is_system)
        return NJ_OK;
    open_turn(r, "system");
    if (r->options->thinking) {
        nj_chat_marker(&r->w, "<|think|>");
        nj_text_add(&r->w.text, "\n");
    }
    if (is_system)
        status = add_system_text(r, json_object_get(message, "content"));
    if (status == NJ_OK && nj_chat_is_true(tools))
        status = add_tools(r, tools);
    close_turn(r);
    return status;
}

static nj_status add_reasoning(struct renderer *r, size_t index, const json_t *message)
{
    const json_t *text  = json_object_get(message, "reasoning");
    bool          shown = (r->last_user == r->count || index > r->last_user) ||
                 (r->options->preserve_thinking && nj_chat_is_true(json_object_get(message, "tool_calls")));
    if (!nj_chat_is_true(text))
        text = json_object_get(message, "reasoning_content");
    if (!nj_chat_is_true(text) || !shown)
        return NJ_OK;
    if (!json_is_string(text))
        return nj_fail(r->w.error, "messages[%zu].reasoning: a string is expected", index);
    nj_chat_marker(&r->w, CHANNEL_OPEN);
    nj_text_add(&r->w.text, "thought\n");
    nj_chat_add_string(&r->w, text);
    nj_text_add(&r->w.text, "\n");
    nj_chat_marker(&r->w, CHANNEL_CLOSE);
    return NJ_OK;
}

static nj_status add_calls(struct renderer *r, size_t index, const json_t *calls)
{
    if (!json_is_array(calls))
        return nj_fail(r->w.error, "messages[%zu].tool_calls: a list is expected", index);
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *function  = json_object_get(json_array_get(calls, i), "function");
        const json_t *name      = json_object_get(function, "name");
        const json_t *arguments = json_object_get(function, "arguments");
        if (!json_is_string(name))
            return nj_fail(r->w.error, "messages[%zu].tool_calls[%zu]: no function name", index, i);
        if (arguments && !json_is_null(arguments) && !json_is_object(arguments))
            return nj_fail(r->w.error, "messages[%zu].tool_calls[%zu]: arguments must be a map; parse them before rendering", index, i);
        nj_chat_marker(&r->w, "<|tool_call>");
        nj_text_add(&r->w.text, "call:");
        nj_chat_add_string(&r->w, name);
        nj_text_add(&r->w.text, "{");
        if (json_is_object(arguments))
            nj_chat_members(&r->w, arguments, false);
        nj_text_add(&r->w.text, "}");
        nj_chat_marker(&r->w, "<tool_call|>");
    }
    return NJ_OK;
}

/* `body` may be a string kept elsewhere: then `value` is NULL. */
static void add_response(struct renderer *r, const json_t *name, const json_t *value, const struct nj_text *body)
{
    nj_chat_marker(&r->w, "<|tool_response>");
    nj_text_add(&r->w.text, "response:");
    if (nj_chat_is_true(name) && json_is_string(name))
        nj_chat_add_string(&r->w, name);
    else
        nj_text_add(&r->w.text, "unknown");
    nj_text_add(&r->w.text, "{");
    if (json_is_object(value)) {
        nj_chat_members(&r->w, value, false);
    } else if (body) {
        nj_text_add(&r->w.text, "value:");
        nj_chat_marker(&r->w, NJ_QUOTE);
        nj_text_add_bytes(&r->w.text, body->data, body->length);
        nj_chat_marker(&r->w, NJ_QUOTE);
    } else {
        nj_text_add(&r->w.text, "value:");
        nj_chat_value(&r->w, value, false);
    }
    nj_text_add(&r->w.text, "}");
    nj_chat_marker(&r->w, "<tool_response|>");
}

/* The name of the last call with the id that a tool message answers; two missing ids count as the same. */
static const json_t *answered_name(const json_t *calls, const json_t *answer)
{
    const json_t *name = json_object_get(answer, "name"), *wanted = json_object_get(answer, "tool_call_id");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i), *id = json_object_get(call, "id");
        bool          none_here = !id || json_is_null(id), none_wanted = !wanted || json_is_null(wanted);
        if (none_here || none_wanted ? none_here && none_wanted : json_equal(id, wanted))
            name = json_object_get(json_object_get(call, "function"), "name");
    }
    return name;
}

/* A tool message: text, or parts of which the texts are joined as they are and the pictures follow. */
static nj_status add_answer(struct renderer *r, size_t index, const json_t *calls, const json_t *answer)
{
    const json_t  *content = json_object_get(answer, "content"), *name = answered_name(calls, answer);
    struct nj_text joined = {0};
    if (json_is_object(content))
        return nj_fail(r->w.error, "messages[%zu].content: the content of a tool message must be text, not a map", index);
    if (!json_is_array(content)) {
        add_response(r, name, content ? content : json_null(), NULL);
        return NJ_OK;
    }
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i), *text = json_object_get(part, "text");
        bool          is_text_part = is_text(json_object_get(part, "type"), "text") && text;
        if (!json_is_object(part) || (is_text_part && !json_is_string(text))) {
            nj_text_free(&joined);
            return nj_fail(r->w.error, "messages[%zu].content[%zu]: a part such as {\"type\": \"text\", …} is expected", index, i);
        }
        if (!is_text_part)
            continue;
        nj_text_add_bytes(&joined, json_string_value(text), json_string_length(text));
    }
    r->w.text.failed |= joined.failed;
    add_response(r, name, NULL, &joined);
    nj_text_free(&joined);
    for (size_t i = 0; i < json_array_size(content); i++)
        add_medium(r, json_object_get(json_array_get(content, i), "type"));
    return NJ_OK;
}

/* Responses to the calls of this message: its own field, else the tool messages right behind it. */
static nj_status add_responses(struct renderer *r, size_t index, const json_t *message, bool *any)
{
    const json_t *calls = json_object_get(message, "tool_calls"), *own = json_object_get(message, "tool_responses");
    nj_status     status = NJ_OK;
    *any                 = false;
    if (nj_chat_is_true(own) && !json_is_array(own))
        return nj_fail(r->w.error, "messages[%zu].tool_responses: a list is expected", index);
    if (nj_chat_is_true(own)) {
        for (size_t i = 0; i < json_array_size(own); i++, *any = true)
            add_response(r, json_object_get(json_array_get(own, i), "name"), json_object_get(json_array_get(own, i), "response"), NULL);
        return NJ_OK;
    }
    if (!nj_chat_is_true(calls))
        return NJ_OK;
    for (size_t i = index + 1; i < r->count && status == NJ_OK; i++, *any = true) {
        const json_t *answer = json_array_get(r->messages, i);
        if (!is_text(json_object_get(answer, "role"), "tool"))
            break;
        status = add_answer(r, i, calls, answer);
    }
    return status;
}

/* The role of the next message that is not from a tool; NULL behind the last one. */
static const json_t *next_role(const struct renderer *r, size_t index)
{
    for (size_t i = index + 1; i < r->count; i++) {
        const json_t *role = json_object_get(json_array_get(r->messages, i), "role");
        if (!is_text(role, "tool"))
            return role;
    }
    return NULL;
}

static nj_status add_message(struct renderer *r, size_t index)
{
    const json_t *message = json_array_get(r->messages, index), *role = json_object_get(message, "role"), *next = next_role(r, index);
    const json_t *calls        = json_object_get(message, "tool_calls");
    bool          is_assistant = is_text(role, "assistant"), is_model = is_assistant || is_text(role, "model"), answered, has_calls;
    if (!json_is_string(role))
        return nj_fail(r->w.error, "messages[%zu]: no role; system, user, assistant and tool are known", index);
    if (is_text(role, "tool"))
        return NJ_OK;
    has_calls = nj_chat_is_true(calls);
    r->last   = LAST_TEXT;
    if (!(is_model && r->previous_is_assistant))
        open_turn(r, is_assistant ? "model" : json_string_value(role));
    nj_status status = add_reasoning(r, index, message);
    if (status == NJ_OK && has_calls) {
        status  = add_calls(r, index, calls);
        r->last = LAST_CALL;
    }
    if (status == NJ_OK)
        status = add_responses(r, index, message, &answered);
    if (status != NJ_OK)
        return status;
    if (answered)
        r->last = LAST_RESPONSE;
    size_t begin = r->w.text.length;
    status       = add_content(r, index, json_object_get(message, "content"), is_model);
    if (status != NJ_OK)
        return status;
    bool has_content = trim((struct nj_string_view){r->w.text.data + begin, r->w.text.length - begin}).size > 0;
    bool goes_on     = is_model && is_text(next, "assistant"); /* in the same turn */
    if (r->last == LAST_CALL)
        nj_chat_marker(&r->w, "<|tool_response>");
    else if (!goes_on && (!answered || has_content || next))
        close_turn(r);
    r->previous_is_assistant = is_assistant;
    return NJ_OK;
}

static void add_generation_prompt(struct renderer *r)
{
    if (r->options->no_generation_prompt || r->last == LAST_CALL)
        return;
    if (r->last == LAST_TEXT) {
        open_turn(r, "model");
        if (r->options->empty_thought && !r->options->thinking) {
            nj_chat_marker(&r->w, CHANNEL_OPEN);
            nj_text_add(&r->w.text, "thought\n");
            nj_chat_marker(&r->w, CHANNEL_CLOSE);
        }
    } else if (r->options->thinking) {
        nj_chat_marker(&r->w, CHANNEL_OPEN);
        nj_text_add(&r->w.text, "thought\n");
    }
}

static nj_status render(struct renderer *r, const json_t *conversation)
{
    size_t    first;
    nj_status status;
    r->messages = json_object_get(conversation, "messages");
    if (!json_is_array(r->messages))
        return nj_fail(r->w.error, "no `messages`: a conversation is {\"messages\": [...], \"tools\": [...]}");
    r->count = json_array_size(r->messages);
    nj_chat_marker(&r->w, "<bos>");
    status       = add_head(r, json_object_get(conversation, "tools"), &first);
    r->last_user = r->count;
    for (size_t i = first; i < r->count; i++)
        if (is_text(json_object_get(json_array_get(r->messages, i), "role"), "user"))
            r->last_user = i;
    for (size_t i = first; i < r->count && status == NJ_OK; i++)
        status = add_message(r, i);
    if (status != NJ_OK)
        return status;
    add_generation_prompt(r);
    return r->w.text.failed ? nj_fail(r->w.error, "no memory to render %zu messages", r->count) : NJ_OK;
}

nj_status nj_chat_render(const json_t *conversation, const struct nj_chat_options *options, struct nj_text *out, struct nj_error *error)
{
    struct renderer r      = {.options = options, .w.error = error};
    nj_status       status = render(&r, conversation);
    if (status == NJ_OK)
        nj_text_add_bytes(out, r.w.text.data, r.w.text.length);
    if (status == NJ_OK && out->failed)
        status = nj_fail(error, "no memory to render %zu messages", r.count);
    nj_chat_writer_free(&r.w);
    return status;
}

/* Everything between two markers is one piece for the tokenizer, whoever wrote it. */
static nj_status encode_untrusted(const struct nj_tokenizer *tokenizer, const struct nj_chat_writer *w, struct nj_ids *ids,
                                  struct nj_error *error)
{
    size_t at = 0;
    for (size_t i = 0; i <= w->marker_count; i++) {
        size_t    end    = i < w->marker_count ? w->markers[i].at : w->text.length;
        nj_status status = nj_tokenizer_encode(tokenizer, w->text.data + at, end - at, false, ids, error);
        if (status == NJ_OK && i < w->marker_count) {
            status = nj_tokenizer_encode(tokenizer, w->text.data + end, w->markers[i].length, true, ids, error);
            at     = end + w->markers[i].length;
        }
        if (status != NJ_OK)
            return status;
    }
    return NJ_OK;
}

nj_status nj_chat_encode(const struct nj_tokenizer *tokenizer, const json_t *conversation, const struct nj_chat_options *options,
                         bool trust_text, struct nj_ids *ids, struct nj_error *error)
{
    struct renderer r      = {.options = options, .w.error = error};
    nj_status       status = render(&r, conversation);
    if (status == NJ_OK && trust_text)
        status = nj_tokenizer_encode(tokenizer, r.w.text.data, r.w.text.length, true, ids, error);
    else if (status == NJ_OK)
        status = encode_untrusted(tokenizer, &r.w, ids, error);
    nj_chat_writer_free(&r.w);
    return status;
}

nj_status nj_chat_expand_images(struct nj_ids *ids, int32_t image_id, int32_t boi_id, int32_t eoi_id, const uint32_t *soft_tokens,
                                size_t images, struct nj_error *error)
{
    struct nj_ids expanded = {0};
    size_t        found    = 0;
    bool          fits     = true;
    for (size_t i = 0; i < ids->count; i++)
        found += ids->data[i] == image_id;
    if (found != images)
        return nj_fail(error, "the prompt has places for %zu pictures, and there are %zu", found, images);
    found = 0;
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->data[i] != image_id) {
            fits &= nj_ids_add(&expanded, ids->data[i]);
            continue;
        }
        fits &= nj_ids_add(&expanded, boi_id);
        for (uint32_t k = 0; k < soft_tokens[found]; k++)
            fits &= nj_ids_add(&expanded, image_id);
        fits &= nj_ids_add(&expanded, eoi_id);
        found++;
    }
    if (!fits) {
        free(expanded.data);
        return nj_fail(error, "no memory for the ids of %zu pictures", images);
    }
    free(ids->data);
    *ids = expanded;
    return NJ_OK;
}

bool nj_chat_template_has_empty_thought(const char *text, size_t size)
{
    return find(text, size, "<|channel>thought\\n<channel|>") || find(text, size, "<|channel>thought\n<channel|>");
}
