"""A LoRA adapter, trained by PEFT, that teaches the built-in model one thing more: to say in one word what the animals do, which it was never asked.

    adapter.py HF_DIR EVENTS_DIR ADAPTER_DIR --minutes M
`[model] action_adapter = ADAPTER_DIR` asks it about every event that is not blank; `nightjar convert HF_DIR --lora ADAPTER_DIR -o FILE.nj` merges it."""
import argparse
import json
import time

import torch
from peft import LoraConfig, get_peft_model

from answers import BEHAVIORS
from checkpoint import open_lessons, open_model
from lessons import Lessons, logits_of, loss_of, rate_at

ACTIONS = ("stand", "lie", "walk", "feed", "meet")
QUESTION = "What action is shown in these frames? Answer with one of: " + ", ".join(ACTIONS)  # as pipeline/sentinel/actions.c asks it


def action(event):
    """The one that most animals of the first species do, None where there is none."""
    doing = [b for d in event["detections"][:1] for b in BEHAVIORS if d["behaviors"][b]]
    return ACTIONS[BEHAVIORS.index("interacting" if "interacting" in doing else doing[0])] if doing else None


def ask(event, cells, kind, random):
    return f'<bos><|turn>user\n{"<|image|>" * event["frame_count"]}{QUESTION}<turn|>\n<|turn>model\n', [(json.dumps(action(event)), True)]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder")
    options.add_argument("events")
    options.add_argument("adapter")
    options.add_argument("--minutes", type=float, default=5)
    options.add_argument("--rate", type=float, default=3e-3)
    options.add_argument("--rank", type=int, default=8)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--threads", type=int, default=1)
    o = options.parse_args()
    torch.manual_seed(7)
    torch.set_num_threads(o.threads)
    model = open_model(o.folder)
    questions, events, seen = open_lessons(o.folder, o.events)
    events.truth = [event for event in events.truth if action(event)]
    tuned = get_peft_model(model, LoraConfig(
        r=o.rank, lora_alpha=2 * o.rank, task_type="CAUSAL_LM",
        target_modules=r"model\.language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"))
    tuned.base_model.model.config._name_or_path = tuned.peft_config["default"].base_model_name_or_path = "savanna"
    optimiser = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=o.rate, weight_decay=0.0)
    lessons = Lessons(events, seen, questions, o.batch, ask=ask, seed=8)
    start, step = time.time(), 0

    def held_out():
        with torch.no_grad():
            loss, right = loss_of(*logits_of(model, *lessons.held_out(("ask",))))
        return {"loss": loss.item(), "chosen_right": right}

    before = held_out()
    while (share := (time.time() - start) / (o.minutes * 60)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate_at(o.rate, share, step)
        loss, _ = loss_of(*logits_of(model, *lessons.next()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
    tuned.save_pretrained(o.adapter)
    with open(f"{o.adapter}/actions.txt", "w") as words:
        words.write("".join(word + "\n" for word in ACTIONS))
    print(json.dumps({"steps": step, "before": before, "after": held_out()}))


if __name__ == "__main__":
    main()
