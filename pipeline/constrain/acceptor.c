#include "pipeline/constrain/acceptor.h"
#include "pipeline/constrain/canonical.h"
#include "pipeline/constrain/constraint.h"

#include <stdlib.h>

#define STRETCH ((size_t)256) /* bytes between two looks at whether it is still worth going on */

struct nj_acceptor {
    struct nj_grammar    *as_written, *any_order;
    struct nj_constraint *exact, *loose;
};

nj_status nj_acceptor_open(const char *name, const char *schema, size_t size, struct nj_acceptor **out, struct nj_error *error)
{
    const struct nj_grammar_options any_order = {.any_order = true};
    struct nj_acceptor             *a         = calloc(1, sizeof *a);
    *out                                      = NULL;
    if (!a)
        return nj_fail(error, "%s: no memory for its grammar", name);
    nj_status status = nj_grammar_compile_text(name, schema, size, NULL, &a->as_written, error);
    if (status == NJ_OK)
        status = nj_grammar_compile_text(name, schema, size, &any_order, &a->any_order, error);
    if (status == NJ_OK)
        status = nj_constraint_open(a->as_written, NULL, &a->exact, error);
    if (status == NJ_OK)
        status = nj_constraint_open(a->any_order, NULL, &a->loose, error);
    if (status == NJ_OK)
        *out = a;
    else
        nj_acceptor_close(a);
    return status;
}

void nj_acceptor_close(struct nj_acceptor *a)
{
    if (!a)
        return;
    nj_constraint_close(a->exact);
    nj_constraint_close(a->loose);
    nj_grammar_close(a->as_written);
    nj_grammar_close(a->any_order);
    free(a);
}

static nj_status try_text(struct nj_constraint *constraint, const char *text, size_t size, bool *valid, size_t *at, struct nj_error *error)
{
    nj_status status = NJ_OK;
    size_t    taken  = STRETCH;
    nj_constraint_reset(constraint);
    for (*at = 0; status == NJ_OK && *at < size && taken == STRETCH; *at += taken) {
        const size_t stretch = size - *at < STRETCH ? size - *at : STRETCH;
        status               = nj_constraint_advance_bytes(constraint, text + *at, stretch, &taken, error);
        if (status == NJ_OK && nj_constraint_is_partial(constraint))
            status = nj_fail(error, "this document can be read in too many ways under its schema to judge it");
    }
    *valid = status == NJ_OK && *at == size && nj_constraint_may_stop(constraint);
    return status;
}

nj_status nj_acceptor_judge(struct nj_acceptor *a, const char *text, size_t size, bool *valid, size_t *at, struct nj_error *error)
{
    nj_status status = try_text(a->exact, text, size, valid, at, error);
    for (int spelling = NJ_NUMBER_PLAIN; spelling <= NJ_NUMBER_SHORTEST && status == NJ_OK && !*valid; spelling++) {
        struct nj_text canonical = {0};
        size_t         ignored;
        if (nj_json_canonical(text, size, spelling, &canonical, NULL) == NJ_OK)
            status = try_text(a->loose, canonical.data, canonical.length, valid, &ignored, error);
        nj_text_free(&canonical);
    }
    return status;
}
