#include "pipeline/model/tensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t nj_dtype_bytes(enum nj_dtype dtype)
{
    switch (dtype) {
    case NJ_DTYPE_F64:
    case NJ_DTYPE_I64:
        return 8;
    case NJ_DTYPE_F32:
    case NJ_DTYPE_I32:
        return 4;
    case NJ_DTYPE_F16:
    case NJ_DTYPE_BF16:
    case NJ_DTYPE_I16:
        return 2;
    case NJ_DTYPE_I8:
    case NJ_DTYPE_U8:
    case NJ_DTYPE_BOOL:
        return 1;
    default:
        return 0;
    }
}

void nj_tensors_free(struct nj_tensors *tensors)
{
    for (size_t i = 0; i < tensors->count; i++) {
        free(tensors->list[i].name);
        free(tensors->list[i].file_name);
    }
    free(tensors->list);
    *tensors = (struct nj_tensors){0};
}

static bool skip_prefix(const char **name, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(*name, prefix, length))
        return false;
    *name += length;
    return true;
}

const char *nj_unwrapped_name(const char *name)
{
    static const char *const wrappers[] = {"base_model.model.", "_orig_mod.", "module.", "_fsdp_wrapped_module.", "transformer.", "vlm."};
    for (const char *before = NULL; before != name;) {
        before = name;
        for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
            skip_prefix(&name, wrappers[i]);
    }
    return name;
}

void nj_canonical_name(const char *name, char *out)
{
    static const char *const text[] = {"model.language_model.", "language_model.model.", "language_model.", "model."};
    name                            = nj_unwrapped_name(name);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        if (skip_prefix(&name, text[i]))
            break;
    snprintf(out, NJ_MAX_NAME, "%s", name);
    if (strncmp(out, "vision_tower.", 13))
        return;
    char *inner = strstr(out, ".linear.");
    if (inner)
        memmove(inner, inner + 7, strlen(inner + 7) + 1);
    else if ((inner = strrchr(out, '.')) && !strcmp(inner, ".linear")) /* a module path rather than a tensor */
        *inner = 0;
}

nj_status nj_tensors_add(struct nj_tensors *tensors, const struct nj_tensor *tensor, struct nj_error *error)
{
    const char *name = tensor->file_name;
    char        canonical[NJ_MAX_NAME];
    size_t      length = strlen(name);
    if (length == 0 || length >= NJ_MAX_NAME)
        return nj_fail(error, "a tensor name of %zu bytes: the file is damaged or is not a model", length);
    for (size_t i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return nj_fail(error, "a tensor name with byte 0x%02x in it: the file is damaged or is not a model", (unsigned char)name[i]);
    if (tensors->count >= NJ_MAX_COUNT)
        return nj_fail(error, "more than %d tensors: the file is damaged or is not a model", NJ_MAX_COUNT);
    if (tensors->count == tensors->capacity) {
        size_t            capacity = tensors->capacity ? tensors->capacity * 2 : 256;
        struct nj_tensor *larger   = realloc(tensors->list, capacity * sizeof *larger);
        if (!larger)
            return nj_fail(error, "no memory for the names of %zu tensors", capacity);
        tensors->list     = larger;
        tensors->capacity = capacity;
    }
    if (tensor->name)
        snprintf(canonical, sizeof canonical, "%s", tensor->name);
    else
        nj_canonical_name(name, canonical);
    struct nj_tensor *slot = &tensors->list[tensors->count];
    *slot                  = *tensor;
    slot->name             = strdup(canonical);
    slot->file_name        = strdup(name);
    if (!slot->name || !slot->file_name) {
        free(slot->name);
        free(slot->file_name);
        return nj_fail(error, "no memory for a tensor name");
    }
    tensors->count++;
    return NJ_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct nj_tensor *left = a, *right = b;
    return strcmp(left->name, right->name);
}

nj_status nj_tensors_index(struct nj_tensors *tensors, struct nj_error *error)
{
    if (tensors->count == 0)
        return NJ_OK;
    qsort(tensors->list, tensors->count, sizeof *tensors->list, by_name);
    for (size_t i = 1; i < tensors->count; i++)
        if (!strcmp(tensors->list[i - 1].name, tensors->list[i].name))
            return nj_fail(error, "%s and %s are the same tensor twice: the checkpoint mixes two saves; keep one",
                           tensors->list[i - 1].file_name, tensors->list[i].file_name);
    return NJ_OK;
}

const struct nj_tensor *nj_tensors_find(const struct nj_tensors *tensors, const char *format, ...)
{
    char             name[NJ_MAX_NAME];
    struct nj_tensor key = {.name = name};
    va_list          args;
    va_start(args, format);
    int length = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof name || tensors->count == 0)
        return NULL;
    return bsearch(&key, tensors->list, tensors->count, sizeof key, by_name);
}

static int by_place(const void *a, const void *b)
{
    const struct nj_tensor *left = *(const struct nj_tensor *const *)a, *right = *(const struct nj_tensor *const *)b;
    if (left->data != right->data)
        return left->data < right->data ? -1 : 1;
    return (left->size > right->size) - (left->size < right->size);
}

nj_status nj_tensors_check_overlap(const char *file, const struct nj_tensors *tensors, size_t from, struct nj_error *error)
{
    size_t                   count  = tensors->count - from;
    const struct nj_tensor **order  = malloc((count + 1) * sizeof *order);
    nj_status                status = NJ_OK;
    if (!order)
        return nj_fail(error, "%s: no memory to check %zu tensors", file, count);
    for (size_t i = 0; i < count; i++)
        order[i] = &tensors->list[from + i];
    qsort(order, count, sizeof *order, by_place);
    for (size_t i = 1; i < count && status == NJ_OK; i++)
        if (order[i - 1]->data + order[i - 1]->size > order[i]->data)
            status = nj_fail(error, "%s: %s and %s overlap: the file is damaged or was made to deceive", file, order[i - 1]->file_name,
                             order[i]->file_name);
    free(order);
    return status;
}
