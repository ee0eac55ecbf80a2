/* worker_protocol.h: what the parent and the picture process say to each other. Both are the same program, so structs travel as they are: one
 * message is one packet. The file is in `input`, pictures come back in `output`. */
#ifndef NJ_PICTURE_WORKER_PROTOCOL_H
#define NJ_PICTURE_WORKER_PROTOCOL_H

#include "pipeline/picture/examine.h"
#include "pipeline/picture/metadata.h"
#include "pipeline/picture/picture.h"

#define NJ_WORKER_OUTPUT ((size_t)NJ_PICTURE_MAX_PIXELS * 3)

struct nj_worker_shared {
    uint8_t *input;  /* [input_size] */
    uint8_t *output; /* [NJ_WORKER_OUTPUT] */
    size_t   input_size;
};

enum nj_worker_request_kind { NJ_WORKER_EXAMINE, NJ_WORKER_PIXELS };

struct nj_worker_request {
    enum nj_worker_request_kind kind;
    size_t                      size;
    bool                        partial_ok;
    uint32_t                    small_side; /* of NJ_WORKER_PIXELS; 0: the whole picture */
    char                        name[256];
};

struct nj_worker_reply {
    bool                  filtered; /* in the greeting: the system call filter is in place; else error says why not */
    struct nj_metadata    metadata;
    struct nj_examination examination;
    nj_status             status; /* of NJ_WORKER_PIXELS */
    struct nj_picture     picture;
    struct nj_error       error;
};

/* What the child does, until the parent closes its end or `fd` fails. Never returns. */
_Noreturn void nj_worker_child(int fd, size_t memory_bytes, const struct nj_worker_shared *shared);

#endif
