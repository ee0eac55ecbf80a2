"""Step 2: the language model learns to answer from the features of the vision tower, which stays as step 1 left it.

    text.py EVENTS_DIR VISION.pt HF_DIR --minutes M [--resume] [--limit N]
Writes HF_DIR as a Gemma4ForConditionalGeneration directory that transformers and Nightjar both open."""
import argparse
import json
import os
import time

import torch
from tokenizers import Tokenizer

from events import Events
from lessons import Lessons, Looks, Questions, logits_of, loss_of, rate_at, see_all
from optimiser import Optimiser
from shape import SOFT_TOKENS, build
from tokenizer import ADDED, write
from vision import without_bounds


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
    if o.resume and os.path.exists(f"{o.folder}/text.pt"):
        model.load_state_dict(torch.load(f"{o.folder}/text.pt"), strict=False)
    # Last, so that it is the tower whose features are learned from, whatever tower stood beside the text before.
    saved = torch.load(o.vision)["model"]
    model.load_state_dict({k: v for k, v in saved.items() if "vision" in k}, strict=False)
    for name, p in model.named_parameters():
        p.requires_grad = "vision" not in name
    events, questions = Events(o.events), Questions(tokenizer, ids)
    if o.limit:
        events.truth = events.truth[:o.limit]
        events.frames = events.frames[:events.truth[-1]["frame"] + events.truth[-1]["frame_count"]]
    known = f"{o.events}/features.f16"
    if not o.resume and os.path.exists(known):
        os.remove(known)
    seen = see_all(model, events, known)
    looks = Looks(model.config.text_config.hidden_size)
    optimiser = Optimiser([pair for pair in model.named_parameters() if pair[1].requires_grad] + list(looks.named_parameters()), o.rate)
    lessons = Lessons(events, seen, questions, o.batch)
    start, step, running, right, counted = time.time(), 0, 0.0, 0.0, 0.0
    while (share := (time.time() - start) / (o.minutes * 60)) < 1:
        optimiser.set_rate(rate_at(o.rate, share, step))
        logits, labels, weight, behind = logits_of(model, *lessons.next(), ids["<image|>"])
        loss, good = loss_of(logits, labels, weight)
        optimiser.step(loss + 0.1 * looks.loss(behind, lessons.cells, lessons.counts))
        counted = 0.98 * counted + 0.02 * looks.right
        step += 1
        running, right = (0.98 * running + 0.02 * loss.item(), 0.98 * right + 0.02 * good) if step > 1 else (loss.item(), good)
        if step % 100 == 0:
            model.eval()
            with torch.no_grad():
                held_loss, held_right = loss_of(*logits_of(model, *lessons.held_out(("live", "trained"))))
            model.train()
            print(f"{(time.time() - start) / 60:6.1f} min  step {step}  loss {running:.4f} chosen right {right:.4f}  counted in frames {counted:.3f}  "
                  f"held out {held_loss.item():.4f} {held_right:.4f}", flush=True)
            torch.save(model.state_dict(), f"{o.folder}/text.pt")
    torch.save(model.state_dict(), f"{o.folder}/text.pt")
    save(model, o.folder, ids)
    print(json.dumps({"steps": step, "events": len(events.truth), "loss": running, "chosen_right": right}))


if __name__ == "__main__":
    main()
