#include "pipeline/uplink/frame.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#define HEAD 5
enum { DICTIONARY_NONE, DICTIONARY_BUILT_IN, DICTIONARY_OWN };

/* Most typical text last: matches near the end are the cheapest. Changing a byte of it needs a new dictionary number. */
static const char built_in[] =
    "\"otherBird\"\"hyenaSpotted\"\"guineaFowl\"\"hippopotamus\"\"koriBustard\"\"warthog\"\"topi\"\"ostrich\"\"lionMale\"\"lionFemale\"\"ja"
    "ckal\"\"cheetah\""
    "\"eland\"\"hartebeest\"\"baboon\"\"gazelleGrants\"\"gazelleThomsons\"\"impala\"\"giraffe\"\"elephant\"\"buffalo\"\"wildebeest\"\"zebra"
    "\""
    "{\"station\":\"1\",\"sent\":\"2026-01-01T18:00:00Z\"}\n"
    "{\"id\":\"NJ0\",\"t\":\"2026-01-01T06:00:00\",\"b\":0,\"p\":2,\"d\":[[\"buffalo\",\"11-50\",5,0,2]]}\n"
    "{\"id\":\"NJ1\",\"t\":\"2026-01-01T18:00:00\",\"b\":0,\"p\":1,\"d\":[[\"zebra\",\"2\",4,1,3],[\"wildebeest\",\"6\",1,0,3]]}\n"
    "{\"id\":\"NJ2\",\"t\":\"2026-01-01T12:00:00\",\"b\":1,\"p\":0,\"d\":[]}\n"
    "{\"id\":\"NJ3\",\"t\":\"2026-01-01T14:00:00\",\"b\":0,\"p\":0,\"d\":[[\"impala\",\"1\",1,0,3]]}\n";

nj_status nj_frame_pack(const char *text, size_t size, const uint8_t *dictionary, size_t dictionary_size, uint8_t **bytes, size_t *packed,
                        struct nj_error *error)
{
    nj_status  status = NJ_OK;
    size_t     room   = HEAD + ZSTD_compressBound(size), wrote;
    uint8_t   *out    = malloc(room);
    ZSTD_CCtx *stream = ZSTD_createCCtx();
    if (!out || !stream) {
        status = nj_fail(error, "no memory for a message of %zu bytes", size);
        goto cleanup;
    }
    memcpy(out, "NJU\1", 4);
    out[4] = dictionary ? DICTIONARY_OWN : DICTIONARY_BUILT_IN;
    ZSTD_CCtx_setParameter(stream, ZSTD_c_compressionLevel, 19);
    ZSTD_CCtx_setParameter(stream, ZSTD_c_checksumFlag, 1);
    wrote = dictionary ? ZSTD_CCtx_loadDictionary(stream, dictionary, dictionary_size)
                       : ZSTD_CCtx_loadDictionary(stream, built_in, sizeof built_in - 1);
    if (!ZSTD_isError(wrote))
        wrote = ZSTD_compress2(stream, out + HEAD, room - HEAD, text, size);
    if (ZSTD_isError(wrote)) {
        status = nj_fail(error, "a message cannot be compressed: %s", ZSTD_getErrorName(wrote));
        goto cleanup;
    }
    *bytes  = out;
    *packed = HEAD + wrote;
    out     = NULL;
cleanup:
    ZSTD_freeCCtx(stream);
    free(out);
    return status;
}

nj_status nj_frame_unpack(const uint8_t *bytes, size_t size, const uint8_t *dictionary, size_t dictionary_size, struct nj_text *out,
                          struct nj_error *error)
{
    if (size < HEAD || memcmp(bytes, "NJU", 3))
        return nj_fail(error, "not a message of a station: it does not begin with NJU");
    if (bytes[3] != 1 || bytes[4] > DICTIONARY_OWN)
        return nj_fail(error, "message version %u.%u is not known here: update this program", bytes[3], bytes[4]);
    if (bytes[4] == DICTIONARY_OWN && !dictionary)
        return nj_fail(error, "this message needs the station's own dictionary: set uplink.dictionary to it");
    unsigned long long length = ZSTD_getFrameContentSize(bytes + HEAD, size - HEAD);
    if (length == ZSTD_CONTENTSIZE_ERROR || length == ZSTD_CONTENTSIZE_UNKNOWN)
        return nj_fail(error, "the message is damaged behind its first %d bytes", HEAD);
    if (length > NJ_FRAME_MAX_TEXT)
        return nj_fail(error, "the message claims to hold %llu bytes, at most %u are accepted", length, NJ_FRAME_MAX_TEXT);
    nj_status  status = NJ_OK;
    size_t     got    = 0;
    char      *text   = malloc((size_t)length + 1);
    ZSTD_DCtx *stream = ZSTD_createDCtx();
    if (!text || !stream)
        status = nj_fail(error, "no memory for %llu bytes", length);
    else {
        if (bytes[4] == DICTIONARY_OWN)
            got = ZSTD_DCtx_loadDictionary(stream, dictionary, dictionary_size);
        else if (bytes[4] == DICTIONARY_BUILT_IN)
            got = ZSTD_DCtx_loadDictionary(stream, built_in, sizeof built_in - 1);
        if (!ZSTD_isError(got))
            got = ZSTD_decompressDCtx(stream, text, (size_t)length, bytes + HEAD, size - HEAD);
        if (ZSTD_isError(got))
            status = nj_fail(error, "the message is cut or damaged: %s", ZSTD_getErrorName(got));
        else
            nj_text_add_bytes(out, text, got);
    }
    ZSTD_freeDCtx(stream);
    free(text);
    return status;
}
