/* gguf.h: the GGUF container, version 3 (spec part 10): key/value metadata and tensor infos of a text model, or of the vision companion ("mmproj").
 *
 * Hostile until checked: every count, length and offset against the file. Values stay in the map; nothing is allocated but the list of keys and the table
 * of tensors. Tensors are added under canonical names (tensors.h); nothing in GGUF changes what weights mean, only their layout and names do. */
#ifndef NJ_MODEL_GGUF_H
#define NJ_MODEL_GGUF_H

#include "base/file.h"
#include "base/json.h"
#include "pipeline/model/checkpoint.h"
#include "pipeline/model/tokenizer.h"

enum nj_gguf_type {
    NJ_GGUF_U8,
    NJ_GGUF_I8,
    NJ_GGUF_U16,
    NJ_GGUF_I16,
    NJ_GGUF_U32,
    NJ_GGUF_I32,
    NJ_GGUF_F32,
    NJ_GGUF_BOOL,
    NJ_GGUF_STRING,
    NJ_GGUF_ARRAY,
    NJ_GGUF_U64,
    NJ_GGUF_I64,
    NJ_GGUF_F64
};

struct nj_gguf_value {
    const char       *key; /* not terminated */
    uint32_t          key_length;
    enum nj_gguf_type type; /* of the elements, if it is an array */
    bool              array;
    uint64_t          count; /* 1 unless it is an array */
    const uint8_t    *data;
};

struct nj_gguf {                /* borrowed map; nj_gguf_close frees the list */
    const char           *name; /* for sentences */
    struct nj_gguf_value *values;
    size_t                value_count;
};

bool nj_gguf_is(const struct nj_map *map);

/* Reads metadata and adds the tensors to `tensors`. */
nj_status nj_gguf_open(const char *name, const struct nj_map *map, struct nj_gguf *out, struct nj_tensors *tensors, struct nj_error *error);
void      nj_gguf_close(struct nj_gguf *gguf);

const struct nj_gguf_value *nj_gguf_find(const struct nj_gguf *gguf, const char *key);

/* Element `index` of a numeric or boolean value; false if it is not one or is out of range. */
bool nj_gguf_number(const struct nj_gguf_value *value, uint64_t index, double *out);

/* Steps through the strings of a value: *cursor starts NULL. False at the end. */
bool nj_gguf_next_string(const struct nj_gguf_value *value, const uint8_t **cursor, uint64_t *index, const char **text, uint64_t *length);

/* The one string of a value, "" if it is none. */
struct nj_string_view nj_gguf_string(const struct nj_gguf_value *value);

/* ---- The model (gguf_model.c) ---- */

/* Opens checkpoint->path, whose map is maps[0], and `mmproj` (or NULL) into the checkpoint: tensors, and a config in the spelling of config.json. */
nj_status nj_gguf_open_model(struct nj_checkpoint *checkpoint, const char *mmproj, struct nj_error *error);

/* ---- What lies in the metadata beside the model (gguf_tokenizer.c) ---- */

nj_status nj_gguf_tokenizer(const struct nj_checkpoint *checkpoint, struct nj_tokenizer **out, struct nj_error *error);

/* The same as the files of a folder: tokenizer.json and tokenizer_config.json in the forms of the tokenizers library, chat_template.jinja if there is
 * a template, and with a vision tower processor_config.json. Appends to `out` (carry.h), which the caller frees, also after a failure. */
struct nj_carried_list;
nj_status nj_gguf_files(const struct nj_checkpoint *checkpoint, struct nj_carried_list *out, struct nj_error *error);

#endif
