"""Events as lessons for the language model: rows of ids with the weight of each label, and the pictures' features, which stay as step 1 left them."""
import os

import numpy as np
import torch
import torch.nn.functional as F
from transformers.modeling_outputs import BaseModelOutputWithPooling

from answers import KINDS, SHARES, conversation
from events import CELLS, SPECIES, STATE, YOUNG_FLAG
from vision import COUNT_MOST, features


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
    """An event as ids, labels and the weight of each label: what the model chooses counts, what the station forces hardly does."""

    CHOSEN, COUNT, AFTER_CHOICE, FORCED = 1.0, 3.0, 0.5, 0.02 # counts are the hardest to learn

    def __init__(self, tokenizer, ids):
        self.tokenizer, self.ids, self.known = tokenizer, ids, {}

    def encode(self, text):
        if text not in self.known:
            if len(self.known) > 50000:
                self.known.clear()
            self.known[text] = self.tokenizer.encode(text).ids
        return self.known[text]

    def make(self, question, pieces):
        """The answer is encoded whole, as the station forces it; a token belongs to the piece where it ends."""
        around = [self.ids["<|image>"]] + [self.ids["<|image|>"]] * CELLS + [self.ids["<image|>"]]
        ids = []
        for id in self.encode(question):
            ids += around if id == self.ids["<|image|>"] else [id]
        weights = [0.0] * len(ids)
        answer = self.tokenizer.encode("".join(text for text, _ in pieces))
        ends = np.cumsum([len(text) for text, _ in pieces])
        last, place = -1, 0
        for at in np.searchsorted(ends, [end for _, end in answer.offsets]):
            place = place + 1 if at == last else 0
            last = at
            if pieces[at][1]:
                weights.append(self.COUNT if at and pieces[at - 1][0].endswith('"bin":') else self.CHOSEN)
            elif place == 0 and pieces[at][0].startswith("]"): # that a list ends or goes on is chosen, too
                weights.append(self.CHOSEN)
            else: # and so may be that a free string ends
                weights.append(self.AFTER_CHOICE if at and place < 2 else self.FORCED)
        return ids + answer.ids + [self.ids["<turn|>"]], weights + [self.AFTER_CHOICE]


def batch(rows, features_of_all):
    width = max(len(ids) for _, ids, _ in rows)
    x = torch.zeros(len(rows), width, dtype=torch.long)
    weights = torch.zeros(len(rows), width)
    seen = []
    for i, (event, ids, weight) in enumerate(rows):
        x[i, :len(ids)] = torch.tensor(ids)
        weights[i, :len(ids)] = torch.tensor(weight)
        seen.append(torch.from_numpy(features_of_all[event["frame"]:event["frame"] + event["frame_count"]].astype(np.float32)).flatten(0, 1))
    return x, weights, torch.cat(seen)


LOOK_LAYERS = 2 # below the first full layer, whose keys and values are what later positions see of far pictures


class Looks(torch.nn.Module):
    """What the position behind each picture is to know of it, read off its hidden state below the first full layer: how many of each species, the postures,
    whether there are young. It puts into a few thousand steps what single digits of answers would take tens of thousands for; thrown away afterwards."""

    def __init__(self, hidden):
        super().__init__()
        self.count, self.rest = torch.nn.Linear(hidden, len(SPECIES) * (COUNT_MOST + 1)), torch.nn.Linear(hidden, 5)

    def loss(self, hidden, cells, counts):
        """hidden: [frames][hidden]; cells: [frames][planes][soft tokens]; counts: [frames][species]"""
        animals, state = counts.clamp(max=COUNT_MOST), cells[:, STATE]
        rest = [((state > 0) & (state % YOUNG_FLAG == posture)).any(-1) for posture in range(1, 5)] + [(state >= YOUNG_FLAG).any(-1)]
        guesses = self.count(hidden).reshape(len(hidden), len(SPECIES), COUNT_MOST + 1)
        there = animals > 0
        self.right = ((guesses.argmax(-1) == animals) & there).sum().item() / max(1, there.sum().item())
        loss = len(SPECIES) * F.cross_entropy(guesses.flatten(0, 1), animals.flatten())
        return loss + F.binary_cross_entropy_with_logits(self.rest(hidden), torch.stack(rest, -1).float())


def logits_of(model, x, weights, seen, behind=None):
    """Logits, labels and weights of the positions whose label counts. What fills up a row stands at its end, where nothing that counts can look.
    behind: the id that stands behind a picture; then also the hidden states there, in order of the frames."""
    outputs = model.model(input_ids=x, mm_encoder_outputs={"image": BaseModelOutputWithPooling(pooler_output=[seen])}, use_cache=False,
                          output_hidden_states=behind is not None)
    hidden = outputs.last_hidden_state
    counts = weights[:, 1:] > 0
    logits, labels, weight = model.lm_head(hidden[:, :-1][counts]), x[:, 1:][counts], weights[:, 1:][counts]
    cap = model.config.text_config.final_logit_softcapping
    logits = torch.tanh(logits / cap) * cap
    if behind is None:
        return logits, labels, weight
    return logits, labels, weight, outputs.hidden_states[LOOK_LAYERS][x == behind]


def loss_of(logits, labels, weight):
    """Weighted cross-entropy, and the share of chosen tokens that greedy decoding gets right."""
    chosen = weight >= Questions.CHOSEN
    right = (logits[chosen].argmax(-1) == labels[chosen]).float().mean().item()
    return (F.cross_entropy(logits, labels, reduction="none") * weight).sum() / weight.sum(), right


class Lessons:
    """Batches for ever from all events but the first twentieth, which are held out."""

    def __init__(self, events, seen, questions, rows, ask=conversation, kinds=KINDS, shares=SHARES, seed=3):
        self.events, self.seen, self.questions, self.rows, self.ask, self.kinds, self.shares = events, seen, questions, rows, ask, kinds, shares
        self.random, self.held, self.waiting = np.random.default_rng(seed), len(events.truth) // 20, []

    def rows_of(self, numbers, asked):
        made = []
        for n, kind in zip(numbers, asked):
            event = self.events.truth[n]
            cells = np.asarray(self.events.cells[event["frame"]:event["frame"] + event["frame_count"]])
            made.append((event, *self.questions.make(*self.ask(event, cells, kind, self.random))))
        return made

    def next(self):
        if not self.waiting: # rows of like length together, so that little is filled up
            count = 8 * self.rows
            rows = self.rows_of(self.random.integers(self.held, len(self.events.truth), count), self.random.choice(self.kinds, count, p=self.shares))
            rows.sort(key=lambda row: len(row[1]))
            self.waiting = [rows[i:i + self.rows] for i in self.random.permutation(8) * self.rows]
        rows = self.waiting.pop()
        frames = [slice(event["frame"], event["frame"] + event["frame_count"]) for event, _, _ in rows]
        # Of the frames of the batch, in order.
        self.cells, self.counts = (torch.from_numpy(np.concatenate([plane[f] for f in frames])).long() for plane in (self.events.cells, self.events.counts))
        x, weights, seen = batch(rows, self.seen)
        return x, weights, seen * (1 + 0.05 * torch.randn_like(seen))

    def held_out(self, kinds):
        count = min(self.held, 96)
        return batch(self.rows_of(range(count), [kinds[i % len(kinds)] for i in range(count)]), self.seen)


def rate_at(rate, share, step):
    """Warm up, then fall along a cosine over the share of the time that has gone."""
    return rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
