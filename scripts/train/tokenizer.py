"""Trains the built-in model's tokenizer on its own questions and answers and writes it in the form of Gemma 4's tokenizer.json.

    tokenizer.py EVENTS_DIR OUT_DIR"""
import json
import os
import re
import sys

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from answers import KINDS, conversation
from events import Events
from shape import VOCABULARY

# In the order of the published file; ids are our own.
ADDED = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>",
         '<|"|>', "<|think|>", "<|channel>", "<channel|>", "<|turn>", "<turn|>", "<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>",
         "<audio|>", "<|video|>"]
NAMED = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>", "sot_token": "<|turn>",
         "eot_token": "<turn|>", "soc_token": "<|channel>", "eoc_token": "<channel|>", "std_token": "<|tool>", "etd_token": "<tool|>",
         "stc_token": "<|tool_call>", "etc_token": "<tool_call|>", "str_token": "<|tool_response>", "etr_token": "<tool_response|>",
         "escape_token": '<|"|>', "think_token": "<|think|>", "boi_token": "<|image>", "eoi_token": "<image|>", "image_token": "<|image|>",
         "boa_token": "<|audio>", "eoa_token": "<audio|>", "audio_token": "<|audio|>"}


def plain_pieces(text):
    """What lies between the added tokens: they split the text before anything else."""
    for name in ADDED:
        text = text.replace(name, "\0")
    return [piece for piece in text.split("\0") if piece]


# The station decides value by value, so no token may reach from a value into what surrounds it: texts are learned in stretches that end where a value begins
# or ends. The closing quote of a value stands alone; a key keeps its quotes.
STRETCH = re.compile(r'(?<=[A-Za-z0-9_.\-])(?="(?!:))|(?<=[A-Za-z0-9])(?=[,\]}])|(?<=")(?=[,\]}])|(?<=:)(?=["A-Za-z0-9])|(?<=[\[,])(?="[^":]*"(?!:))|(?<=\[")')


def stretches(text):
    return [stretch.replace(" ", "▁") for stretch in STRETCH.split(text) if stretch]


def corpus(events):
    random = np.random.default_rng(4)
    for event in events.truth[:800]:
        cells = np.asarray(events.cells[event["frame"]:event["frame"] + event["frame_count"]])
        for kind in KINDS:
            question, pieces = conversation(event, cells, kind, random)
            for text in plain_pieces(question) + [text for text, _ in pieces]:
                yield from stretches(text)


def make(events):
    letters = [chr(c) for c in range(0x21, 0x7F)] + ["▁", "\n", "\t", "é", "’", "…", "–"]
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - len(ADDED) - len(bytes_), initial_alphabet=letters, special_tokens=[], show_progress=False,
                                  limit_alphabet=len(letters), max_token_length=400)
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.Sequence([])
    bare.train_from_iterator(corpus(events), trainer)
    learned = json.loads(bare.to_str())["model"]
    vocabulary = {word: i for i, word in enumerate(ADDED + bytes_)}
    for word, _ in sorted(learned["vocab"].items(), key=lambda item: item[1]):
        vocabulary.setdefault(word, len(vocabulary))
    while len(vocabulary) < VOCABULARY:
        vocabulary[f"<unused{len(vocabulary)}>"] = len(vocabulary)
    assert len(vocabulary) == VOCABULARY
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": word, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
                             for i, word in enumerate(ADDED)],
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
            "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                      "byte_fallback": True, "ignore_merges": False, "vocab": vocabulary, "merges": learned["merges"]}}


def write(path, value):
    with open(path, "w") as out:
        json.dump(value, out, indent=1, ensure_ascii=False)
        out.write("\n")


def main():
    folder = sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    write(f"{folder}/tokenizer.json", make(Events(sys.argv[1])))
    write(f"{folder}/tokenizer_config.json", {**NAMED, "tokenizer_class": "GemmaTokenizer", "processor_class": "Gemma4Processor", "padding_side": "left",
                                              "extra_special_tokens": ["<|video|>"], "model_max_length": 131072})
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    events = Events(sys.argv[1])
    random = np.random.default_rng(5)
    for kind in KINDS:
        event = events.truth[0]
        cells = np.asarray(events.cells[event["frame"]:event["frame"] + event["frame_count"]])
        question, pieces = conversation(event, cells, kind, random)
        reply = sum(len(tokenizer.encode(text).ids) for text, _ in pieces)
        print(f"{kind}: question {len(tokenizer.encode(question).ids)} tokens without pictures, answer {reply}")


if __name__ == "__main__":
    main()
