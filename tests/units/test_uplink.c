/* Messages of the uplink: packed events against bytes laid out by hand from the description in summary.h, batches there and back, and damage. */
#include "pipeline/uplink/frame.h"
#include "pipeline/uplink/summary.h"
#include "tests/tap.h"

static const char *const              words[]  = {"aardvark", "zebra", "topi"};
static const struct nj_summary_labels labels   = {words, 3};
static const int64_t                  april_19 = 1461053400; /* 2016-04-19T08:10:00 */

static void as_hex(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void packed(const char *name, const struct nj_summary *summary, size_t room, const char *want)
{
    uint8_t bytes[NJ_SUMMARY_MAX_BYTES];
    char    hex[2 * NJ_SUMMARY_MAX_BYTES + 1] = "";
    as_hex(bytes, nj_summary_pack(summary, &labels, bytes, room), hex);
    CHECK(!strcmp(hex, want), "%s: %s", name, hex);
}

static void test_packed(void)
{
    struct nj_summary two = {.serial          = 5000,
                             .time            = april_19,
                             .priority        = 2,
                             .detection_count = 2,
                             .detections      = {{"zebra", "3", 13, true, 3}, {"unheard-of", "11-50", 2, false, 0}}};
    packed("two detections", &two, 11, "3388328b6a28136ffec400");
    struct nj_summary blank = {.serial = 1, .time = NJ_SUMMARY_NO_TIME, .blank = true};
    packed("a blank without a time", &blank, 11, "2001ffffff800000000000");
    struct nj_summary four = {
        .serial          = 8191,
        .time            = april_19,
        .priority        = 1,
        .detection_count = 4,
        .detections      = {
                 {"aardvark", "1", 1, false, 1}, {"zebra", "51+", 2, true, 2}, {"topi", "", 31, false, 0}, {"zebra", "1", 0, false, 0}}};
    packed("four detections are told as three, and cut", &four, NJ_SUMMARY_MAX_BYTES, "3fff328b6a5c01090705820f80");
    uint8_t bytes[NJ_SUMMARY_MAX_BYTES];
    CHECK(nj_summary_pack(&four, &labels, bytes, 11) == 11, "and as two where only 11 bytes may leave");

    struct nj_summary back;
    struct nj_error   error;
    size_t            size = nj_summary_pack(&two, &labels, bytes, 11);
    CHECK(nj_summary_unpack(bytes, size, &labels, &back, &error) == NJ_OK, "unpacked");
    CHECK(back.serial == 5000 && back.time == april_19 && back.priority == 2 && back.detection_count == 2 && !back.blank && !back.cut,
          "the same event");
    CHECK(!strcmp(back.detections[0].label, "zebra") && !strcmp(back.detections[0].bin, "3") && back.detections[0].behaviors == 13 &&
              back.detections[0].young && back.detections[0].confidence == 3,
          "the same zebra");
    CHECK(!strcmp(back.detections[1].label, "other"), "a label outside the table is other");
    CHECK(nj_summary_unpack(bytes, 10, &labels, &back, &error) == NJ_ERROR && strstr(error.text, "at least 11"), "cut: %s", error.text);
    bytes[0] |= 0xE0;
    CHECK(nj_summary_unpack(bytes, size, &labels, &back, &error) == NJ_ERROR && strstr(error.text, "version"), "a later version: %s",
          error.text);
    for (unsigned seed = 0; seed < 20000; seed++) { /* no message may do harm */
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)((seed * 2654435761u + (unsigned)i * 40503u) >> (i % 17));
        (void)nj_summary_unpack(bytes, 11 + seed % 3, &labels, &back, &error);
    }
}

static void test_batch(void)
{
    static const char line[]   = "{\"station\":\"7\",\"sent\":\"2026-05-01T18:00:00Z\"}\n{\"id\":\"NJ0123456789\",\"t\":\"2026-05-01T06:40:"
                                 "15\",\"b\":0,\"p\":2,\"d\":[[\"zebra\",\"3\",5,1,3]]}\n";
    uint8_t          *bytes    = NULL;
    size_t            size     = 0;
    struct nj_error   error    = {{0}};
    struct nj_text    text     = {0};
    static const uint8_t own[] = "a dictionary of the station's own: NJ0123456789";
    CHECK(nj_frame_pack(line, sizeof line - 1, NULL, 0, &bytes, &size, &error) == NJ_OK && size < sizeof line * 2 / 3,
          "a short message shrinks to %zu of %zu bytes", size, sizeof line - 1);
    CHECK(nj_frame_unpack(bytes, size, NULL, 0, &text, &error) == NJ_OK && !strcmp(text.data, line), "and comes back");
    for (size_t cut = 0; cut < size; cut++)
        if (nj_frame_unpack(bytes, cut, NULL, 0, &text, &error) == NJ_OK)
            CHECK(0, "a message cut at %zu was accepted", cut);
    size_t accepted = 0;
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        nj_text_clear(&text);
        accepted += nj_frame_unpack(bytes, size, NULL, 0, &text, &error) == NJ_OK && strcmp(text.data, line) != 0;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK(accepted == 0, "no flipped bit goes unseen");
    free(bytes);
    CHECK(nj_frame_pack(line, sizeof line - 1, own, sizeof own, &bytes, &size, &error) == NJ_OK, "with a dictionary of its own");
    CHECK(nj_frame_unpack(bytes, size, NULL, 0, &text, &error) == NJ_ERROR && strstr(error.text, "uplink.dictionary"),
          "which the reader needs: %s", error.text);
    nj_text_clear(&text);
    CHECK(nj_frame_unpack(bytes, size, own, sizeof own, &text, &error) == NJ_OK && !strcmp(text.data, line), "and with it reads");
    free(bytes);
    nj_text_free(&text);
}

int main(void)
{
    test_packed();
    test_batch();
    return tap_done();
}
