#include "pipeline/model/safetensors.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SHARDS 1000

static const struct {
    const char   *name;
    enum nj_dtype dtype;
} types[] = {
    {"F64", NJ_DTYPE_F64},   {"F32", NJ_DTYPE_F32},   {"F16", NJ_DTYPE_F16},   {"BF16", NJ_DTYPE_BF16},     {"I64", NJ_DTYPE_I64},
    {"I32", NJ_DTYPE_I32},   {"I16", NJ_DTYPE_I16},   {"I8", NJ_DTYPE_I8},     {"U8", NJ_DTYPE_U8},         {"BOOL", NJ_DTYPE_BOOL},
    {"U64", NJ_DTYPE_OTHER}, {"U32", NJ_DTYPE_OTHER}, {"U16", NJ_DTYPE_OTHER}, {"F8_E4M3", NJ_DTYPE_OTHER}, {"F8_E5M2", NJ_DTYPE_OTHER},
};

static void set_type(struct nj_tensor *tensor, const char *name)
{
    tensor->dtype     = NJ_DTYPE_OTHER;
    tensor->type_name = "a type of its own";
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, name)) {
            tensor->dtype     = types[i].dtype;
            tensor->type_name = types[i].name;
        }
}

static bool as_offset(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static nj_status read_shape(const char *file, const char *name, const json_t *shape, struct nj_tensor *tensor, struct nj_error *error)
{
    uint64_t bytes = nj_dtype_bytes(tensor->dtype);
    if (!json_is_array(shape) || json_array_size(shape) > NJ_MAX_RANK)
        return nj_fail(error, "%s: %.200s: its shape is not a list of at most %d sizes", file, name, NJ_MAX_RANK);
    tensor->rank = (uint32_t)json_array_size(shape);
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (!as_offset(json_array_get(shape, i), &tensor->shape[i]) || (tensor->shape[i] && bytes > UINT64_MAX / tensor->shape[i]))
            return nj_fail(error, "%s: %.200s: impossible size in its shape", file, name);
        bytes *= tensor->shape[i];
    }
    if (tensor->dtype != NJ_DTYPE_OTHER && bytes != tensor->size)
        return nj_fail(error, "%s: %.200s: %llu bytes in the file, its shape and type need %llu: the file is damaged; fetch it again", file,
                       name, (unsigned long long)tensor->size, (unsigned long long)bytes);
    return NJ_OK;
}

static nj_status read_entry(const char *file, const char *name, const json_t *entry, const uint8_t *data, uint64_t data_size,
                            struct nj_tensors *tensors, struct nj_error *error)
{
    char             copy[NJ_MAX_NAME];
    struct nj_tensor tensor  = {.file_name = copy};
    const char      *type    = json_string_value(json_object_get(entry, "dtype"));
    const json_t    *offsets = json_object_get(entry, "data_offsets");
    uint64_t         begin, end;
    if (strlen(name) >= sizeof copy)
        return nj_fail(error, "%s: a tensor name of %zu bytes: the file is damaged or is not a model", file, strlen(name));
    memcpy(copy, name, strlen(name) + 1);
    if (!type || json_array_size(offsets) != 2 || !as_offset(json_array_get(offsets, 0), &begin) ||
        !as_offset(json_array_get(offsets, 1), &end))
        return nj_fail(error, "%s: %.200s: no type or no offsets in the header", file, name);
    if (begin > end || end > data_size)
        return nj_fail(error, "%s: %.200s: lies at bytes %llu to %llu of %llu: the file is cut short or damaged; fetch it again", file,
                       name, (unsigned long long)begin, (unsigned long long)end, (unsigned long long)data_size);
    tensor.data = data + begin;
    tensor.size = end - begin;
    set_type(&tensor, type);
    nj_status status = read_shape(file, name, json_object_get(entry, "shape"), &tensor, error);
    if (status == NJ_OK && (status = nj_tensors_add(tensors, &tensor, error)) != NJ_OK)
        nj_error_prefix(error, "%s", file);
    return status;
}

nj_status nj_safetensors_read(const char *name, const struct nj_map *map, struct nj_tensors *tensors, json_t **metadata,
                              struct nj_error *error)
{
    json_t   *header = NULL;
    nj_status status = NJ_OK;
    size_t    before = tensors->count;
    uint64_t  length;
    if (metadata)
        *metadata = NULL;
    if (map->size < 8)
        return nj_fail(error, "%s: %zu bytes are no safetensors file", name, map->size);
    memcpy(&length, map->data, sizeof length);
    if (length > map->size - 8 && *(const char *)map->data == '{')
        return nj_fail(error, "%s: JSON text, not a model (its folder, or a .safetensors, .gguf or .nj file)", name);
    if (length > map->size - 8)
        return nj_fail(error, "%s: its header needs %llu bytes, the file has %zu: not a safetensors file, or cut short", name,
                       (unsigned long long)length, map->size);
    if (length > NJ_SAFETENSORS_HEADER_LIMIT)
        return nj_fail(error, "%s: a header of %llu bytes; at most %u are read", name, (unsigned long long)length,
                       NJ_SAFETENSORS_HEADER_LIMIT);
    status = nj_json_parse(name, map->data + 8, (size_t)length, &header, error);
    if (status != NJ_OK)
        return status;
    if (!json_is_object(header)) {
        status = nj_fail(error, "%s: its header is not a JSON object", name);
        goto cleanup;
    }
    const char *key;
    json_t     *entry;
    json_object_foreach(header, key, entry)
    {
        if (!strcmp(key, "__metadata__")) {
            if (metadata)
                *metadata = json_incref(entry);
            continue;
        }
        status = read_entry(name, key, entry, map->data + 8 + length, map->size - 8 - length, tensors, error);
        if (status != NJ_OK)
            goto cleanup;
    }
    status = nj_tensors_check_overlap(name, tensors, before, error);
cleanup:
    json_decref(header);
    if (status != NJ_OK && metadata) {
        json_decref(*metadata);
        *metadata = NULL;
    }
    return status;
}

/* Names of the files to read, each once, in order of first mention. */
struct shards {
    char **name;
    size_t count;
};

static void free_shards(struct shards *shards)
{
    for (size_t i = 0; i < shards->count; i++)
        free(shards->name[i]);
    free(shards->name);
}

static nj_status add_shard(struct shards *shards, const char *name, const char *where, struct nj_error *error)
{
    for (size_t i = shards->count; i-- > 0;)
        if (!strcmp(shards->name[i], name))
            return NJ_OK;
    if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > 200)
        return nj_fail(error, "%s: names a shard outside of its own folder", where);
    if (shards->count == MAX_SHARDS)
        return nj_fail(error, "%s: more than %d shards", where, MAX_SHARDS);
    char **larger = realloc(shards->name, (shards->count + 1) * sizeof *larger);
    if (!larger || (shards->name = larger, !(larger[shards->count] = strdup(name))))
        return nj_fail(error, "%s: no memory for its shards", where);
    shards->count++;
    return NJ_OK;
}

static nj_status shards_of_index(const char *path, struct shards *shards, json_t **map, struct nj_error *error)
{
    json_t   *index  = NULL;
    nj_status status = nj_json_read(path, NJ_SAFETENSORS_HEADER_LIMIT, &index, error);
    if (status != NJ_OK)
        return status;
    const char *key;
    json_t     *value;
    *map = json_incref(json_object_get(index, "weight_map"));
    if (!json_is_object(*map) || json_object_size(*map) == 0)
        status = nj_fail(error, "%s: no weight_map in it", path);
    json_object_foreach(*map, key, value)
    {
        if (status == NJ_OK)
            status = json_is_string(value) ? add_shard(shards, json_string_value(value), path, error)
                                           : nj_fail(error, "%s: weight_map: %.200s is not a file name", path, key);
    }
    json_decref(index);
    return status;
}

static nj_status shards_by_looking(const char *folder, struct shards *shards, struct nj_error *error)
{
    DIR *directory = opendir(folder);
    bool torch     = false;
    if (!directory)
        return nj_fail(error, "%s: the folder cannot be read", folder);
    nj_status status = NJ_OK;
    for (struct dirent *entry; status == NJ_OK && (entry = readdir(directory));) {
        size_t length = strlen(entry->d_name);
        if (length > 12 && !strcmp(entry->d_name + length - 12, ".safetensors"))
            status = add_shard(shards, entry->d_name, folder, error);
        torch |= length > 4 && !strcmp(entry->d_name + length - 4, ".bin");
    }
    closedir(directory);
    if (status != NJ_OK)
        return status;
    if (shards->count == 0 && torch)
        return nj_fail(error, "%s: holds pickled PyTorch files, which can run code; save the model again as safetensors", folder);
    if (shards->count == 0)
        return nj_fail(error, "%s: no *.safetensors in it", folder);
    if (shards->count > 1)
        return nj_fail(error, "%s: %zu *.safetensors but no model.safetensors.index.json; fetch the index, too", folder, shards->count);
    return NJ_OK;
}

static bool is_there(char *path, size_t size, const char *folder, const char *name)
{
    return nj_path_join(path, size, folder, name) && access(path, F_OK) == 0;
}

/* Each name of the index must have come out of the shard that the index gives for it. `start[i]` is where shard i begins in the table. */
static nj_status check_index(const char *path, json_t *index, const struct shards *shards, const struct nj_tensors *tensors,
                             const size_t *start, struct nj_error *error)
{
    json_t   *found  = json_object();
    nj_status status = NJ_OK;
    for (size_t s = 0; s < shards->count; s++)
        for (size_t i = start[s]; i < start[s + 1]; i++)
            json_object_set_new(found, tensors->list[i].file_name, json_integer((json_int_t)s));
    const char *key;
    json_t     *value;
    json_object_foreach(index, key, value)
    {
        const json_t *shard = json_object_get(found, key);
        if (status == NJ_OK && (!shard || strcmp(shards->name[json_integer_value(shard)], json_string_value(value))))
            status = nj_fail(error, "%s: %.200s should be in %s and is not: the shards do not belong together; fetch them again", path, key,
                             json_string_value(value));
    }
    json_decref(found);
    return status;
}

nj_status nj_safetensors_open_folder(const char *folder, struct nj_map **maps, size_t *count, struct nj_tensors *tensors,
                                     struct nj_error *error)
{
    char          path[4096], index_path[4096];
    struct shards shards = {0};
    json_t       *index  = NULL;
    size_t       *start  = NULL;
    nj_status     status;
    *maps  = NULL;
    *count = 0;
    if (is_there(path, sizeof path, folder, "model.safetensors"))
        status = add_shard(&shards, "model.safetensors", folder, error);
    else if (is_there(index_path, sizeof index_path, folder, "model.safetensors.index.json"))
        status = shards_of_index(index_path, &shards, &index, error);
    else
        status = shards_by_looking(folder, &shards, error);
    if (status != NJ_OK)
        goto cleanup;
    *maps = calloc(shards.count, sizeof **maps);
    start = calloc(shards.count + 1, sizeof *start);
    if (!*maps || !start) {
        status = nj_fail(error, "%s: no memory for %zu shards", folder, shards.count);
        goto cleanup;
    }
    for (size_t i = 0; i < shards.count && status == NJ_OK; i++) {
        start[i] = tensors->count;
        status   = nj_path_join(path, sizeof path, folder, shards.name[i]) ? nj_map_open(path, &(*maps)[i], error)
                                                                           : nj_fail(error, "%s: the path is too long", folder);
        if (status == NJ_OK) {
            *count = i + 1;
            status = nj_safetensors_read(path, &(*maps)[i], tensors, NULL, error);
        }
    }
    start[shards.count] = tensors->count;
    if (status == NJ_OK && index)
        status = check_index(index_path, index, &shards, tensors, start, error);
cleanup:
    json_decref(index);
    free(start);
    free_shards(&shards);
    return status;
}
