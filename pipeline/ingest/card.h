/* card.h: which card is it? Where it is mounted says little: the same card comes back elsewhere, another one in the same place.
 *
 * A folder on which a file system is mounted takes that file system's UUID (of FAT: the volume serial number), else its label, as udev shows them
 * below /dev/disk. Any other folder is its own path. */
#ifndef NJ_INGEST_CARD_H
#define NJ_INGEST_CARD_H

#include "base/status.h"

#include <stdbool.h>

struct nj_card {
    char identity[4200]; /* "uuid:6462-3631", "label:TRAP7", "path:/srv/cards/7" */
    char name[256];      /* for people: the label, else the folder's name */
    char mount[4096];    /* the folder, absolute and without links */
    bool stable_inodes;  /* false on FAT and the like, which number files afresh at each mount */
};

/* NJ_NOT_FOUND if the folder is not there. */
nj_status nj_card_identify(const char *directory, struct nj_card *out, struct nj_error *error);

#endif
