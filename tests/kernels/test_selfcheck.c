/* The check of nj_kernels_init: it passes every table of this processor, and finds any one form that computes something else. */
#include "kernels/forms.h"
#include "tests/kernels/check.h"

static void wrong(void) {}

static void test_table(const struct nj_kernels *k, const char *isa)
{
    CHECK(!k->differs && !nj_kernels_differ(k), "%s: every form agrees with plain C", isa);
    int found = 0, forms = 0;
#define REPLACE(type, name)                                                                                                                \
    if (strncmp(#name, "peak", 4) != 0 && strncmp(#name, "read", 4) != 0) {                                                                \
        struct nj_kernels bad = *k;                                                                                                        \
        bad.name              = (type *)(void (*)(void))wrong;                                                                             \
        forms++;                                                                                                                           \
        found += nj_kernels_differ(&bad) == k->names.name;                                                                                 \
    }
    NJ_KERNEL_LIST(REPLACE)
#undef REPLACE
    CHECK(found == forms, "%s: a form that does nothing is found, whichever of %d it is (%d)", isa, forms, found);
}

int main(void)
{
    for_each_table(test_table);
    return tap_done();
}
