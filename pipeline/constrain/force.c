/* Constants in place of what the caller knows. */
#include "pipeline/constrain/grammar.h"

#include <stdlib.h>
#include <string.h>

/* One token of a pointer, ~0 and ~1 undone, malloc'd; *path moves behind it. */
static char *take_token(const char **path)
{
    size_t size = strcspn(*path, "/"), used = 0;
    char  *token = malloc(size + 1);
    for (size_t i = 0; token && i < size; i++) {
        char byte = (*path)[i];
        if (byte == '~' && i + 1 < size && ((*path)[i + 1] == '0' || (*path)[i + 1] == '1'))
            byte = (*path)[++i] == '0' ? '~' : '/';
        token[used++] = byte;
    }
    if (token)
        token[used] = 0;
    *path += size;
    return token;
}

/* The schema that a reference inside `root` names, for the few forms that callers' schemas have: #, #/a/b without percent signs. */
static json_t *target(json_t *root, const char *ref)
{
    if (ref[0] != '#')
        return NULL;
    for (const char *at = ref + 1; *at == '/' && root;) {
        at++;
        char *token = take_token(&at);
        root        = token ? json_object_get(root, token) : NULL;
        free(token);
    }
    return root;
}

/* Where `holder` keeps the schema of `token`: under a name of its properties, or as its items. */
static json_t *container(json_t *holder, const char *token, const char **key)
{
    json_t *properties = json_object_get(holder, "properties");
    if (!strcmp(token, "-") && json_object_get(holder, "items")) {
        *key = "items";
        return holder;
    }
    *key = token;
    return json_object_get(properties, token) ? properties : NULL;
}

nj_status nj_schema_force(json_t *schema, const char *path, json_t *value, struct nj_error *error)
{
    json_t     *holder = schema;
    const char *at     = path, *key;
    nj_status   status = NJ_OK;
    if (*at != '/')
        return nj_fail(error, "%s: no place in a document; a JSON pointer like /event/site_id is expected", path);
    while (*at == '/' && status == NJ_OK) {
        at++;
        char   *token = take_token(&at);
        json_t *where = token ? container(holder, token, &key) : NULL;
        json_t *inner = where ? json_object_get(where, key) : NULL;
        json_t *fresh = NULL;
        if (!inner) {
            status = nj_fail(error, "%s: the schema declares no such place", path);
            free(token);
            break;
        }
        const char *ref = json_string_value(json_object_get(inner, "$ref"));
        if (*at != '/')
            fresh = json_pack("{s:O}", "const", value);
        else if (ref) /* other places may share the target: only this one is to change */
            fresh = json_deep_copy(target(schema, ref));
        if ((fresh || *at != '/' || ref) && json_object_set_new(where, key, fresh) != 0)
            status = nj_fail(error, "%s: the schema's reference %s leads nowhere, or memory is gone", path, ref ? ref : "");
        holder = json_object_get(where, key);
        free(token);
    }
    return status;
}
