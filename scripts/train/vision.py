"""Step 1: the vision tower learns what each soft token shows: which species covers it, how many heads are in it, what the animal in it does and whether
it is young; and how many animals of each species the whole frame shows. The linear heads on the features are thrown away afterwards.

    vision.py EVENTS_DIR OUT.pt --minutes M [--resume]
Samples from whatever has been drawn so far, so drawing and learning may run side by side."""
import argparse
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from events import COVER, HEADS, SPECIES, STATE, YOUNG_FLAG, Events
from optimiser import Optimiser
from shape import GRID, VOCABULARY, build

PLACEHOLDER_IDS = {name: VOCABULARY - 1 for name in ("<|image|>", "<|image>", "<image|>", "<|audio|>", "<|audio>", "<audio|>", "<|video|>", "<turn|>", "<|tool_response>")}


def patches(frames):
    """uint8 [n][H][W][3] -> float [n][patches][768], pixel-major with channels innermost."""
    n, h, w, _ = frames.shape
    x = torch.from_numpy(frames).float() / 255
    return x.reshape(n, h // 16, 16, w // 16, 16, 3).permute(0, 1, 3, 2, 4, 5).reshape(n, -1, 768)


def without_bounds(model):
    """Training has no clip bounds; leaving the no-op clamps out saves a sixth of the time."""
    for module in model.modules():
        if hasattr(module, "use_clipped_linears"):
            module.use_clipped_linears = False
    return model


def features(model, frames, corners=None):
    """[n][soft tokens][text hidden]. corners: (row, column) of the soft token at which each frame, a cut-out, begins."""
    x = patches(frames)
    rows, columns = frames.shape[1] // 16, frames.shape[2] // 16
    at = torch.stack([torch.arange(rows * columns) % columns, torch.arange(rows * columns) // columns], -1)[None].expand(len(x), -1, -1)
    if corners is not None:
        at = at + 3 * torch.from_numpy(corners[:, ::-1].copy())[:, None]
    tower = model.model.vision_tower
    outside = torch.zeros(at.shape[:2], dtype=torch.bool)
    hidden = tower.encoder(inputs_embeds=tower.patch_embedder(x, at, outside), attention_mask=~outside, pixel_position_ids=at).last_hidden_state
    # The tower's own pooler counts cells from the picture's corner; here they begin at the cut-out's.
    cells = hidden.reshape(len(x), rows // 3, 3, columns // 3, 3, -1).mean((2, 4)).flatten(1, 2) * hidden.shape[-1] ** 0.5
    return model.model.embed_vision(cells)


def cut_out(frames, cells, random, side=4):
    """A square of soft tokens from each frame, mostly where animals are: learning there costs a fifth and teaches more."""
    small = np.empty((len(frames), 48 * side, 48 * side, 3), np.uint8)
    labels = np.empty((len(frames), cells.shape[1], side * side), cells.dtype)
    corners = np.empty((len(frames), 2), np.int64)
    for i in range(len(frames)):
        grid = cells[i].reshape(-1, *GRID)
        row, column = random.integers(0, GRID[0]), random.integers(0, GRID[1])
        covered = np.argwhere(grid[COVER])
        if len(covered) and random.random() < 0.8:
            row, column = covered[random.integers(len(covered))]
        row = int(np.clip(row - random.integers(0, side), 0, GRID[0] - side))
        column = int(np.clip(column - random.integers(0, side), 0, GRID[1] - side))
        small[i] = frames[i, 48 * row:48 * (row + side), 48 * column:48 * (column + side)]
        labels[i] = grid[:, row:row + side, column:column + side].reshape(cells.shape[1], -1)
        corners[i] = row, column
    return small, labels, corners


def augment(frames, cells, random):
    """Mirrored, brighter or darker, now and then without colour."""
    frames, cells = frames.astype(np.float32), cells.copy()
    for i in range(len(frames)):
        if random.random() < 0.5:
            frames[i] = frames[i, :, ::-1]
            cells[i] = cells[i].reshape(-1, *GRID)[:, :, ::-1].reshape(cells.shape[1], -1)
        frames[i] = (frames[i] - 128) * random.uniform(0.75, 1.25) + 128 + random.uniform(-25, 25)
        if random.random() < 0.1:
            frames[i] = frames[i].mean(-1, keepdims=True)
    return frames.clip(0, 255).astype(np.uint8), cells


KINDS, HEADS_MOST, COUNT_MOST = 1 + len(SPECIES), 3, 11


class Heads(torch.nn.Module):
    """What is read off the features: of each soft token, and (count) of their mean, as the language model can read it with one look at all of them."""

    def __init__(self, hidden):
        super().__init__()
        self.cover, self.heads = torch.nn.Linear(hidden, KINDS), torch.nn.Linear(hidden, HEADS_MOST + 1)
        self.posture, self.young = torch.nn.Linear(hidden, 4), torch.nn.Linear(hidden, 1)
        self.count = torch.nn.Linear(hidden, COUNT_MOST + 1)
        self.of_species = torch.nn.Linear(hidden, len(SPECIES) * (COUNT_MOST + 1))

    def loss(self, seen, cells, counts):
        """Summed over what is asked. seen: [n][soft tokens][hidden]; cells: [n][planes][soft tokens]; counts: [n][species], None of cut-outs"""
        cells = torch.from_numpy(cells).long()
        rare = torch.ones(KINDS)
        rare[0] = 0.25
        loss = F.cross_entropy(self.cover(seen).flatten(0, 1), cells[:, COVER].flatten(), weight=rare)
        weight = torch.ones(HEADS_MOST + 1)
        weight[0] = 0.2
        loss = loss + F.cross_entropy(self.heads(seen).flatten(0, 1), cells[:, HEADS].flatten().clamp(max=HEADS_MOST), weight=weight)
        known = cells[:, STATE] > 0
        if known.any():
            state = cells[:, STATE][known]
            loss = loss + 0.5 * F.cross_entropy(self.posture(seen[known]), state % YOUNG_FLAG - 1)
            loss = loss + 0.5 * F.binary_cross_entropy_with_logits(self.young(seen[known])[:, 0], (state >= YOUNG_FLAG).float(), pos_weight=torch.tensor(8.0))
        if counts is not None:
            counts, mean = torch.from_numpy(counts), seen.mean(1)
            loss = loss + F.cross_entropy(self.count(mean), counts.sum(-1).clamp(max=COUNT_MOST))
            loss = loss + len(SPECIES) * F.cross_entropy(self.species_counts(mean).flatten(0, 1), counts.flatten().clamp(max=COUNT_MOST))
        return loss

    def species_counts(self, mean):
        return self.of_species(mean).reshape(len(mean), len(SPECIES), COUNT_MOST + 1)


def score(model, heads, events, frames):
    """Shares of what is right: species of covered tokens, false alarms, animals of a frame by the mean, and of each species there; the same where two are;
    posture, young found, young invented."""
    model.eval()
    guesses, truths = [], []
    with torch.no_grad():
        for at in range(0, len(frames), 16):
            rows = np.sort(frames[at:at + 16])
            seen = features(model, np.asarray(events.frames[rows]))
            guesses.append([heads.cover(seen).argmax(-1), heads.posture(seen).argmax(-1), heads.young(seen)[..., 0] > 0,
                            heads.count(seen.mean(1)).argmax(-1), heads.species_counts(seen.mean(1)).argmax(-1)])
            truths.append(torch.from_numpy(np.asarray(events.cells[rows])).long())
    model.train()
    cover, posture, young, count, of_species = (torch.cat(parts) for parts in zip(*guesses))
    truth = torch.cat(truths)
    covered, known, small = truth[:, COVER] > 0, truth[:, STATE] > 0, truth[:, STATE] >= YOUNG_FLAG
    animals = torch.from_numpy(events.counts[np.sort(frames)]).clamp(max=COUNT_MOST)
    there, all = animals > 0, animals.sum(-1).clamp(max=COUNT_MOST)
    two = there & (there.sum(-1, keepdim=True) > 1)
    rates = {"covered": (cover == truth[:, COVER])[covered], "false": (cover > 0)[~covered], "count": (count == all)[all > 0],
             "of species": (of_species == animals)[there], "of two": (of_species == animals)[two], "invented": (of_species > 0)[~there],
             "posture": (posture == truth[:, STATE] % YOUNG_FLAG - 1)[known], "young": young[small], "not young": ~young[known & ~small]}
    return "  ".join(f"{name} {rate.float().mean().item():.3f}" for name, rate in rates.items())


def main():
    options = argparse.ArgumentParser()
    options.add_argument("events")
    options.add_argument("out")
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--batch", type=int, default=12)
    options.add_argument("--rate", type=float, default=1.5e-3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--cut-out", type=float, default=0.5, help="share of the time spent on cut-outs, before whole frames")
    options.add_argument("--resume", action="store_true")
    o = options.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    random = np.random.default_rng(1 if not o.resume else int(time.time()))
    model = without_bounds(build(PLACEHOLDER_IDS))
    model.set_attn_implementation("sdpa")
    heads = Heads(model.config.text_config.hidden_size)
    if o.resume and os.path.exists(o.out):
        saved = torch.load(o.out)
        model.load_state_dict(saved["model"], strict=False)
        heads.load_state_dict(saved["heads"], strict=False)
    parts = [model.model.vision_tower, model.model.embed_vision]
    parameters = [pair for part in parts for pair in part.named_parameters()] + list(heads.named_parameters())
    optimiser = Optimiser(parameters, o.rate)
    events, start, step, seen, running = Events(o.events), time.time(), 0, 0, 0.0
    held = min(240, len(events.frames) // 10)
    while True:
        share = (time.time() - start) / (o.minutes * 60)
        if share >= 1:
            break
        optimiser.set_rate(o.rate * min(1, (step + 1) / 100) * (0.03 + 0.97 * 0.5 * (1 + np.cos(np.pi * share))))
        rows = np.sort(random.choice(np.arange(held, len(events.frames)), o.batch * 3 if share < o.cut_out else o.batch, replace=False))
        frames, cells, corners = np.asarray(events.frames[rows]), np.asarray(events.cells[rows]), None
        frames, cells = augment(frames, cells, random)
        if share < o.cut_out: # then whole frames, as they will come
            frames, cells, corners = cut_out(frames, cells, random)
        loss = heads.loss(features(model, frames, corners), cells, events.counts[rows] if corners is None else None)
        optimiser.step(loss)
        step, seen, running = step + 1, seen + len(rows), 0.98 * running + 0.02 * loss.item() if step else loss.item()
        if step % 250 == 0:
            print(f"{(time.time() - start) / 60:6.1f} min  step {step}  frames {seen} of {len(events.frames)}  loss {running:.3f}  "
                  f"{score(model, heads, events, np.arange(held))}", flush=True)
            torch.save({"model": model.state_dict(), "heads": heads.state_dict()}, o.out)
            events.refresh()
    torch.save({"model": model.state_dict(), "heads": heads.state_dict()}, o.out)


if __name__ == "__main__":
    main()
