/* Every value of every reference checkpoint, as numpy reads it. */
#include "tests/conformance/weights_hash.h"
#include "tests/tap.h"

static void check_checkpoint(const char *shared, size_t which)
{
    const char        *name = reference_hashes[which].name;
    char               path[4096], hash[HASH_TEXT];
    struct nj_error    error = {0};
    struct nj_weights *weights;
    snprintf(path, sizeof path, "%s/reference/checkpoints/%s", shared, name);
    if (!CHECK(nj_weights_open(path, NULL, &weights, &error) == NJ_OK, "%s opens %s", name, error.text))
        return;
    hash_text(weights, hash);
    CHECK(!strcmp(hash, reference_hashes[which].text), "%s: text weights", name);
    hash_vision(weights, hash);
    CHECK(!strcmp(hash, reference_hashes[which].vision), "%s: vision weights", name);
    nj_weights_close(weights);
}

static void check_config(const char *shared)
{
    static const uint8_t source[] = {0, 1, 2, 3, 4, 3, 3, 4};
    char                 path[4096];
    struct nj_weights   *weights;
    struct nj_error      error = {0};
    snprintf(path, sizeof path, "%s/reference/checkpoints/tiny-pruned", shared);
    if (!CHECK(nj_weights_open(path, NULL, &weights, &error) == NJ_OK, "tiny-pruned opens"))
        return;
    const struct nj_config *config = &weights->config;
    CHECK(config->text.head_dim == 32 && config->text.global_head_dim == 64, "head sizes from the newer spelling");
    CHECK(!memcmp(config->text.kv_source, source, sizeof source), "sharing layers read layers 3 and 4");
    CHECK(config->text.intermediate_size[7] == 256, "MLP width from the tensors");
    CHECK(config->eos_count == 3 && config->eos_ids[0] == 1 && config->eos_ids[1] == 25 && config->eos_ids[2] == 15, "three stop ids");
    CHECK(config->image_id == 1018 && config->boi_id == 1015 && config->eoi_id == 1020, "image ids");
    CHECK(weights->layers[5].k.rows == 0 && !weights->layers[5].k_norm, "no keys of its own in a sharing layer");
    CHECK(weights->head.data == weights->embedding.data, "the head is the embedding");
    nj_weights_close(weights);
}

int main(void)
{
    const char *shared = tap_shared();
    if (!shared)
        SKIP("no reference checkpoints here");
    else {
        for (size_t i = 0; i < sizeof reference_hashes / sizeof *reference_hashes; i++)
            check_checkpoint(shared, i);
        check_config(shared);
    }
    return tap_done();
}
