#include "pipeline/model/random_model.h"

#include <stdio.h>
#include <string.h>

/* The added tokens of Gemma 4 with their published ids; their place in this table is their id in a small vocabulary. */
static const struct {
    const char *spelling;
    int32_t     published;
} added[] = {
    {"<pad>", 0},
    {"<eos>", 1},
    {"<bos>", 2},
    {"<unk>", 3},
    {"<mask>", 4},
    {"<|tool>", 46},
    {"<tool|>", 47},
    {"<|tool_call>", 48},
    {"<tool_call|>", 49},
    {"<|tool_response>", 50},
    {"<tool_response|>", 51},
    {"<|\"|>", 52},
    {"<|think|>", 98},
    {"<|channel>", 100},
    {"<channel|>", 101},
    {"<|turn>", 105},
    {"<turn|>", 106},
    {"<|image>", 255999},
    {"<|audio>", 256000},
    {"<|image|>", 258880},
    {"<|audio|>", 258881},
    {"<image|>", 258882},
    {"<audio|>", 258883},
    {"<|video|>", 258884},
};
#define ADDED           (sizeof added / sizeof *added)
#define PUBLISHED_BYTES 238

/* Words that the event record and its prompts are full of. Each becomes a chain of merges from the left. */
static const char *const words[] = {
    "\xe2\x96\x81the",
    ("\xe2\x96\x81"
     "and"),
    "\xe2\x96\x81image",
    "true",
    "false",
    "species",
    "schema_version",
    "capture_event_id",
    "detections",
    "count",
    "confidence",
    "review_needed",
    "reasons",
    "priority",
    "medium",
    "high",
    "behaviors",
    "standing",
    "resting",
    "moving",
    "eating",
    "interacting",
    "young_present",
    "blank",
    "minimum",
    "maximum",
    "site_id",
    "local_datetime",
    "frame_count",
    "label",
    "basis",
    "none",
    "event",
    "grounding",
    "sentinel",
    "savanna",
};

int32_t nj_random_added_id(bool published, const char *spelling)
{
    for (size_t i = 0; i < ADDED; i++)
        if (!strcmp(added[i].spelling, spelling))
            return published ? added[i].published : (int32_t)i;
    return -1;
}

static bool taken(const json_t *by_id, uint32_t id)
{
    return !json_is_null(json_array_get(by_id, id));
}

/* Gives `text` the next free id; false when the vocabulary is full. A text that is there already keeps its id. */
static bool put(json_t *vocab, json_t *by_id, uint32_t *next, const char *text)
{
    if (json_object_get(vocab, text))
        return true;
    while (*next < json_array_size(by_id) && taken(by_id, *next))
        ++*next;
    if (*next >= json_array_size(by_id))
        return false;
    json_array_set_new(by_id, *next, json_true());
    json_object_set_new(vocab, text, json_integer(*next));
    return true;
}

static void put_words(json_t *vocab, json_t *by_id, json_t *merges, uint32_t next)
{
    char text[64], left[64], right[8];
    for (char c = '!'; c <= '~'; c++)
        put(vocab, by_id, &next, (char[]){c, 0});
    put(vocab, by_id, &next, "\n");
    put(vocab, by_id, &next, "\xe2\x96\x81");
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        size_t first = (unsigned char)words[w][0] == 0xe2 ? 3 : 1; /* the mark for a space is three bytes long */
        for (size_t length = first + 1; length <= strlen(words[w]); length++) {
            snprintf(text, sizeof text, "%.*s", (int)length, words[w]);
            snprintf(left, sizeof left, "%.*s", (int)(length - 1), words[w]);
            snprintf(right, sizeof right, "%c", words[w][length - 1]);
            if (json_object_get(vocab, text))
                continue;
            if (!put(vocab, by_id, &next, text))
                return;
            json_array_append_new(merges, json_pack("[s, s]", left, right));
        }
    }
    for (uint32_t filler = 0; snprintf(text, sizeof text, "<unused%u>", filler), put(vocab, by_id, &next, text); filler++)
        ;
}

json_t *nj_random_tokenizer(bool published, uint32_t count)
{
    json_t *vocab = json_object(), *by_id = json_array(), *merges = json_array(), *list = json_array();
    char    text[16];
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(by_id, json_null());
    for (size_t i = 0; i < ADDED; i++) {
        json_int_t id = nj_random_added_id(published, added[i].spelling);
        json_array_set_new(by_id, (size_t)id, json_true());
        json_object_set_new(vocab, added[i].spelling, json_integer(id));
        json_array_append_new(list, json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", added[i].spelling, "single_word",
                                              0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    }
    uint32_t first = published ? PUBLISHED_BYTES : ADDED;
    for (uint32_t i = 0; i < 256; i++) {
        snprintf(text, sizeof text, "<0x%02X>", i);
        json_array_set_new(by_id, first + i, json_true());
        json_object_set_new(vocab, text, json_integer(first + i));
    }
    put_words(vocab, by_id, merges, first + 256);
    json_decref(by_id);
    return json_pack("{s:s, s:n, s:n, s:o, s:{s:s, s:{s:s}, s:s}, s:n, s:n, s:{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]},"
                     " s:{s:s, s:n, s:s, s:n, s:n, s:b, s:b, s:b, s:o, s:o}}",
                     "version", "1.0", "truncation", "padding", "added_tokens", list,                      /* */
                     "normalizer", "type", "Replace", "pattern", "String", " ", "content", "\xe2\x96\x81", /* */
                     "pre_tokenizer", "post_processor",                                                    /* */
                     "decoder", "type", "Sequence", "decoders", "type", "Replace", "pattern", "String", "\xe2\x96\x81", "content",
                     " ",                                                                                                        /* */
                     "type", "ByteFallback", "type", "Fuse",                                                                     /* */
                     "model", "type", "BPE", "dropout", "unk_token", "<unk>", "continuing_subword_prefix", "end_of_word_suffix", /* */
                     "fuse_unk", 1, "byte_fallback", 1, "ignore_merges", 0, "vocab", vocab, "merges", merges);
}
