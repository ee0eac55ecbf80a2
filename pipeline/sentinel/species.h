/* species.h: the 47 labels of Snapshot Serengeti that the model was trained on, in taxonomy order, with the names that people use. */
#ifndef NJ_SENTINEL_SPECIES_H
#define NJ_SENTINEL_SPECIES_H

#include <stddef.h>

#define NJ_SPECIES_COUNT 47

struct nj_species {
    const char *label;      /* as the model writes it */
    const char *display;    /* English */
    const char *scientific; /* genus or higher group where the label covers several species */
    const char *swahili;
};

extern const struct nj_species nj_species[NJ_SPECIES_COUNT];

/* Index of an exact label, -1 if there is none. */
int nj_species_index(const char *label);

#endif
