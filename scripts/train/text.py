"""Step 2: the language model learns to answer from the features of the vision tower, which stays as step 1 left it.

    text.py EVENTS_DIR VISION.pt HF_DIR --minutes M [--resume]
Writes HF_DIR as a Gemma4ForConditionalGeneration directory that transformers and Nightjar both open."""
import argparse
import json
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers.modeling_outputs import BaseModelOutputWithPooling

from answers import answer, render
from events import CELLS, Events
from shape import SOFT_TOKENS, build
from tokenizer import ADDED, write
from vision import features, without_bounds

IGNORE = -100


def see_all(model, events, path):
    """Features of every frame, computed once: float16 [frames][soft tokens][hidden]"""
    hidden, count = model.config.text_config.hidden_size, len(events.frames)
    have = os.path.getsize(path) // (CELLS * hidden * 2) if os.path.exists(path) else 0
    model.eval()
    with open(path, "ab") as out, torch.no_grad():
        for at in range(have, count, 24):
            out.write(features(model, np.asarray(events.frames[at:min(at + 24, count)])).half().numpy().tobytes())
    model.train()
    return np.memmap(path, np.float16, "r", shape=(count, CELLS, hidden))


class Questions:
    """An event as ids and labels. Only what the model chooses counts as an answer; forced text is context."""

    def __init__(self, tokenizer, ids):
        self.tokenizer, self.ids, self.known = tokenizer, ids, {}

    def encode(self, text):
        if text not in self.known:
            if len(self.known) > 50000:
                self.known.clear()
            self.known[text] = self.tokenizer.encode(text).ids
        return self.known[text]

    def make(self, event, cells, dialect):
        around = [self.ids["<|image>"]] + [self.ids["<|image|>"]] * CELLS + [self.ids["<image|>"]]
        ids = []
        for id in self.encode(render(event[dialect])):
            ids += around if id == self.ids["<|image|>"] else [id]
        labels = [IGNORE] * len(ids)
        for text, choice in answer(event, cells, dialect):
            piece = self.encode(text)
            ids += piece
            # Forced text that ends a list or a free string is chosen token by token; learning all of it costs nothing.
            labels += piece
        ids.append(self.ids["<turn|>"])
        labels.append(ids[-1])
        return ids, labels


def batch(rows, features, events):
    width = max(len(ids) for _, ids, _ in rows)
    x = torch.zeros(len(rows), width, dtype=torch.long)
    y = torch.full((len(rows), width), IGNORE)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    seen = []
    for i, (event, ids, labels) in enumerate(rows):
        x[i, :len(ids)] = torch.tensor(ids)
        y[i, :len(ids)] = torch.tensor(labels)
        mask[i, :len(ids)] = 1
        seen.append(torch.from_numpy(features[event["frame"]:event["frame"] + event["frame_count"]].astype(np.float32)).flatten(0, 1))
    return x, y, mask, torch.cat(seen)


def forward(model, x, mask, seen):
    return model(input_ids=x, attention_mask=mask, mm_encoder_outputs={"image": BaseModelOutputWithPooling(pooler_output=[seen])}, use_cache=False).logits


def save(model, folder, ids):
    os.makedirs(folder, exist_ok=True)
    out = build(ids)
    out.load_state_dict(model.state_dict(), strict=False)
    out.to(torch.bfloat16).save_pretrained(folder)
    write(f"{folder}/generation_config.json", {"bos_token_id": 2, "do_sample": True, "eos_token_id": [1, ids["<turn|>"], ids["<|tool_response>"]],
                                               "pad_token_id": 0, "temperature": 1.0, "top_k": 64, "top_p": 0.95})
    write(f"{folder}/processor_config.json", {"processor_class": "Gemma4Processor", "image_seq_length": SOFT_TOKENS, "image_processor": {
        "image_processor_type": "Gemma4ImageProcessor", "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "do_normalize": False,
        "rescale_factor": 1 / 255, "resample": 3, "patch_size": 16, "pooling_kernel_size": 3, "max_soft_tokens": SOFT_TOKENS,
        "image_seq_length": SOFT_TOKENS, "image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0]}})


def main():
    options = argparse.ArgumentParser()
    options.add_argument("events")
    options.add_argument("vision")
    options.add_argument("folder")
    options.add_argument("--minutes", type=float, default=40)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--rate", type=float, default=2e-3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--limit", type=int, default=0, help="use only so many events")
    options.add_argument("--resume", action="store_true")
    o = options.parse_args()
    torch.manual_seed(2)
    torch.set_num_threads(o.threads)
    ids = {word: i for i, word in enumerate(ADDED)}
    tokenizer = Tokenizer.from_file(f"{o.folder}/tokenizer.json")
    model = without_bounds(build(ids))
    model.set_attn_implementation("sdpa")
    saved = torch.load(o.vision)["model"]
    model.load_state_dict({k: v for k, v in saved.items() if "vision" in k}, strict=False)
    if o.resume and os.path.exists(f"{o.folder}/text.pt"):
        model.load_state_dict(torch.load(f"{o.folder}/text.pt"), strict=False)
    for name, p in model.named_parameters():
        p.requires_grad = "vision" not in name
    events, questions = Events(o.events), Questions(tokenizer, ids)
    if o.limit:
        events.truth = events.truth[:o.limit]
        events.frames = events.frames[:events.truth[-1]["frame"] + events.truth[-1]["frame_count"]]
    seen = see_all(model, events, f"{o.events}/features.f16")
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=o.rate, betas=(0.9, 0.98), weight_decay=0.02)
    random, start, step, running = np.random.default_rng(3), time.time(), 0, 0.0
    held = len(events.truth) // 20

    def rows_of(numbers, dialects):
        made = []
        for n, dialect in zip(numbers, dialects):
            event = events.truth[n]
            cells = np.asarray(events.cells[event["frame"]:event["frame"] + event["frame_count"]])
            made.append((event, *questions.make(event, cells, dialect)))
        return made

    while (share := (time.time() - start) / (o.minutes * 60)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = o.rate * min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
        numbers = random.integers(held, len(events.truth), o.batch)
        x, y, mask, f = batch(rows_of(numbers, random.choice(["live", "trained"], o.batch)), seen, events)
        f = f * (1 + 0.05 * torch.randn_like(f))
        logits = forward(model, x, mask, f)
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), y[:, 1:].flatten(), ignore_index=IGNORE)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step, running = step + 1, 0.98 * running + 0.02 * loss.item() if step else loss.item()
        if step % 250 == 0:
            model.eval()
            with torch.no_grad():
                x, y, mask, f = batch(rows_of(np.arange(min(held, 64)), ["live", "trained"] * 32), seen, events)
                logits = forward(model, x, mask, f)
                held_loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), y[:, 1:].flatten(), ignore_index=IGNORE).item()
            model.train()
            print(f"{(time.time() - start) / 60:6.1f} min  step {step}  loss {running:.4f}  held out {held_loss:.4f}", flush=True)
            torch.save(model.state_dict(), f"{o.folder}/text.pt")
    torch.save(model.state_dict(), f"{o.folder}/text.pt")
    save(model, o.folder, ids)
    print(json.dumps({"steps": step, "events": len(events.truth), "loss": running}))


if __name__ == "__main__":
    main()
