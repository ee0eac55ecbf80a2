"""A directory of text.py, or one that `nightjar convert --to compressed-tensors` wrote without quantising, ready for more lessons."""
import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import Gemma4ForConditionalGeneration

from events import CELLS, Events
from lessons import Questions
from tokenizer import ADDED
from vision import without_bounds

IDS = {word: i for i, word in enumerate(ADDED)}


def open_model(folder):
    return without_bounds(Gemma4ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa"))


def open_lessons(folder, drawn):
    """Questions with the folder's tokenizer; the events drawn; their features as text.py left them (the vision tower is the same in all of these steps)."""
    events = Events(drawn)
    width = np.memmap(f"{drawn}/features.f16", np.float16, "r").size // (len(events.frames) * CELLS)
    seen = np.memmap(f"{drawn}/features.f16", np.float16, "r", shape=(len(events.frames), CELLS, width))
    return Questions(Tokenizer.from_file(f"{folder}/tokenizer.json"), IDS), events, seen
