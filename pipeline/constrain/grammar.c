#include "pipeline/constrain/grammar.h"
#include "pipeline/constrain/body.h"
#include "pipeline/constrain/schema.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_BYTES ((size_t)4 << 20)
#define BLOCK_BYTES  ((size_t)64 << 10)

/* --- memory and places of one compilation --- */

struct nj_block {
    struct nj_block *next;
    size_t           size, used;
    max_align_t      data[];
};

void *nj_compiler_memory(struct nj_compiler *c, size_t size)
{
    size_t need = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!c->blocks || c->blocks->size - c->blocks->used < need) {
        size_t           room  = need > BLOCK_BYTES ? need : BLOCK_BYTES;
        struct nj_block *block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->size = room;
        block->next = c->blocks;
        c->blocks   = block;
    }
    void *memory = (char *)c->blocks->data + c->blocks->used;
    c->blocks->used += need;
    return memory;
}

/* A place that could not be remembered is printed as the one above it. */
const struct nj_place *nj_place_key(struct nj_compiler *c, const struct nj_place *up, const char *token)
{
    struct nj_place *place = nj_compiler_memory(c, sizeof *place);
    if (!place)
        return up;
    *place = (struct nj_place){.up = up, .token = token};
    return place;
}

const struct nj_place *nj_place_index(struct nj_compiler *c, const struct nj_place *up, size_t index)
{
    struct nj_place *place = nj_compiler_memory(c, sizeof *place);
    if (!place)
        return up;
    *place = (struct nj_place){.up = up, .index = index};
    return place;
}

static void write_place(struct nj_text *out, const struct nj_place *place, unsigned depth)
{
    if (!place)
        return;
    if (depth < 64)
        write_place(out, place->up, depth + 1);
    else
        nj_text_add(out, "/...");
    if (!place->token) {
        nj_text_addf(out, "/%zu", place->index);
        return;
    }
    nj_text_add(out, "/");
    for (const char *at = place->token; *at; at++)
        if (*at == '~' || *at == '/')
            nj_text_add(out, *at == '~' ? "~0" : "~1");
        else
            nj_text_add_bytes(out, at, 1);
}

nj_status nj_refuse(struct nj_compiler *c, const struct nj_place *place, const char *format, ...)
{
    struct nj_text  pointer = {0};
    struct nj_error why;
    va_list         args;
    va_start(args, format);
    vsnprintf(why.text, sizeof why.text, format, args);
    va_end(args);
    write_place(&pointer, place, 0);
    nj_fail(c->error, "%s: #%s: %s", c->name, pointer.data ? pointer.data : "", why.text);
    nj_text_free(&pointer);
    return NJ_ERROR;
}

nj_status nj_no_memory(struct nj_compiler *c)
{
    return nj_fail(c->error, "%s: too large to compile in the memory there is", c->name);
}

nj_status nj_spend(struct nj_compiler *c, uint64_t steps)
{
    if (steps > NJ_SCHEMA_WORK - c->work) {
        c->work = NJ_SCHEMA_WORK;
        return nj_fail(c->error, "%s: the schema is too large or too interwoven to compile; simplify it", c->name);
    }
    c->work += (uint32_t)steps;
    return NJ_OK;
}

/* --- conjunctions --- */

bool nj_parts_add(struct nj_compiler *c, struct nj_parts *parts, const json_t *schema, const struct nj_place *place)
{
    if (json_is_true(schema))
        return true;
    for (uint32_t i = 0; i < parts->count; i++)
        if (parts->data[i].schema == schema)
            return true;
    if (parts->count == parts->capacity) {
        uint32_t        capacity = parts->capacity ? parts->capacity * 2 : 4;
        struct nj_part *larger   = parts->count < NJ_SCHEMA_PARTS ? nj_compiler_memory(c, capacity * sizeof *larger) : NULL;
        if (!larger)
            return false;
        if (parts->count)
            memcpy(larger, parts->data, parts->count * sizeof *larger);
        parts->data     = larger;
        parts->capacity = capacity;
    }
    parts->data[parts->count++] = (struct nj_part){schema, place};
    return true;
}

static bool same_parts(const struct nj_parts *a, const struct nj_parts *b)
{
    for (uint32_t i = 0; i < a->count && a->count == b->count; i++)
        if (a->data[i].schema != b->data[i].schema)
            return false;
    return a->count == b->count;
}

static bool grow_slots(struct nj_compiler *c)
{
    uint32_t  count = c->slot_count ? c->slot_count * 2 : 256;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t v = 0; v < c->conjunctions.count; v++) {
        uint32_t at = (uint32_t)c->conjunctions.data[v].hash & (count - 1);
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = v + 1;
    }
    free(c->conjunction_slots);
    c->conjunction_slots = slots;
    c->slot_count        = count;
    return true;
}

nj_status nj_value_of(struct nj_compiler *c, const struct nj_parts *parts, uint32_t *value)
{
    uint64_t hash = parts->count;
    for (uint32_t i = 0; i < parts->count; i++) {
        hash = (hash ^ (uintptr_t)parts->data[i].schema) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    if (c->conjunctions.count * 2 >= c->slot_count && !grow_slots(c))
        return nj_no_memory(c);
    uint32_t at = (uint32_t)hash & (c->slot_count - 1);
    for (; c->conjunction_slots[at]; at = (at + 1) & (c->slot_count - 1)) {
        *value                         = c->conjunction_slots[at] - 1;
        const struct nj_conjunction *k = &c->conjunctions.data[*value];
        if (k->hash == hash && same_parts(&k->parts, parts))
            return NJ_OK;
    }
    if (c->conjunctions.count >= NJ_SCHEMA_VALUES)
        return nj_refuse(c, parts->count ? parts->data[0].place : NULL, "the schema describes more than %u different values",
                         NJ_SCHEMA_VALUES);
    if (!NJ_ROOM(c->conjunctions, 1) || !NJ_ROOM(c->g->values, 1))
        return nj_no_memory(c);
    *value                                        = c->conjunctions.count;
    c->conjunctions.data[c->conjunctions.count++] = (struct nj_conjunction){*parts, hash};
    c->g->values.data[c->g->values.count++]       = (struct nj_value){0};
    c->conjunction_slots[at]                      = *value + 1;
    return nj_spend(c, 4);
}

/* --- the whole --- */

static nj_status compile(struct nj_compiler *c)
{
    struct nj_parts top    = {0};
    nj_status       status = nj_dfa_add_free_string(c->g, c->error);
    if (status == NJ_OK)
        status = nj_read_root(c);
    if (status == NJ_OK)
        status = nj_parts_add(c, &top, c->root, NULL) ? nj_value_of(c, &top, &c->g->root) : nj_no_memory(c);
    for (uint32_t v = 0; v < c->g->values.count && status == NJ_OK; v++)
        status = nj_expand(c, v, nj_lower);
    if (status == NJ_OK)
        status = nj_finish(c);
    return status == NJ_OK ? nj_rule_out_overlaps(c) : status;
}

nj_status nj_grammar_compile(const char *name, const json_t *schema, const struct nj_grammar_options *options, struct nj_grammar **out,
                             struct nj_error *error)
{
    struct nj_error    unheard;
    struct nj_compiler c = {.name = name, .root = schema, .error = error ? error : &unheard};
    c.g                  = calloc(1, sizeof *c.g);
    *out                 = NULL;
    if (!c.g)
        return nj_no_memory(&c);
    if (options) {
        c.g->form      = options->form;
        c.g->any_order = options->any_order;
    }
    nj_status status = compile(&c);
    for (uint32_t i = 0; i < c.synthetic.count; i++)
        json_decref(c.synthetic.data[i]);
    while (c.blocks) {
        struct nj_block *next = c.blocks->next;
        free(c.blocks);
        c.blocks = next;
    }
    free(c.conjunctions.data);
    free(c.conjunction_slots);
    free(c.forms.data);
    free(c.value_forms.data);
    free(c.form_literals.data);
    free(c.form_lexemes.data);
    free(c.branches.data);
    free(c.synthetic.data);
    free(c.array_checks.data);
    free(c.object_checks.data);
    if (status == NJ_OK)
        *out = c.g;
    else
        nj_grammar_close(c.g);
    return status;
}

nj_status nj_grammar_compile_text(const char *name, const char *text, size_t size, const struct nj_grammar_options *options,
                                  struct nj_grammar **out, struct nj_error *error)
{
    json_t *schema = NULL;
    *out           = NULL;
    if (size > SCHEMA_BYTES)
        return nj_fail(error, "%s: a schema of %zu bytes, at most %zu are compiled", name, size, SCHEMA_BYTES);
    nj_status status = nj_json_parse(name, text, size, &schema, error);
    if (status == NJ_OK)
        status = nj_grammar_compile(name, schema, options, out, error);
    json_decref(schema);
    return status;
}

void nj_grammar_close(struct nj_grammar *g)
{
    if (!g)
        return;
    nj_bodies_close(g->bodies);
    if (g->block)
        free(g->block);
    else {
        free(g->values.data);
        free(g->lexemes.data);
        free(g->objects.data);
        free(g->properties.data);
        free(g->arrays.data);
        free(g->tries.data);
        free(g->literals.data);
        free(g->dfas.data);
        free(g->dfa_states.data);
        free(g->transitions.data);
        free(g->numbers.data);
        free(g->bytes.data);
    }
    free(g);
}
