"""Logit distillation: a pruned model learns the distribution of the whole one over every chosen token, and the right answer beside it.

    distil.py TEACHER_DIR STUDENT_DIR EVENTS_DIR --minutes M
STUDENT_DIR, from `nightjar convert TEACHER_DIR --prune-mlp 0.2 --calibrate CARD --to compressed-tensors -o STUDENT_DIR`, is written over."""
import argparse
import json
import time

import torch
import torch.nn.functional as F

from checkpoint import open_lessons, open_model
from lessons import Lessons, logits_of, loss_of, rate_at
from optimiser import Optimiser


def main():
    options = argparse.ArgumentParser()
    options.add_argument("teacher")
    options.add_argument("student")
    options.add_argument("events")
    options.add_argument("--minutes", type=float, default=5)
    options.add_argument("--rate", type=float, default=5e-4)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--threads", type=int, default=1)
    o = options.parse_args()
    torch.manual_seed(5)
    torch.set_num_threads(o.threads)
    teacher, student = open_model(o.teacher).eval(), open_model(o.student)
    questions, events, seen = open_lessons(o.teacher, o.events)
    for name, p in student.named_parameters():
        p.requires_grad = "vision" not in name
    optimiser = Optimiser([pair for pair in student.named_parameters() if pair[1].requires_grad], o.rate)
    lessons = Lessons(events, seen, questions, o.batch, seed=6)
    start, step = time.time(), 0

    def held_out():
        with torch.no_grad():
            loss, right = loss_of(*logits_of(student, *lessons.held_out(("live", "trained"))))
        return {"loss": loss.item(), "chosen_right": right}

    before = held_out()
    while (share := (time.time() - start) / (o.minutes * 60)) < 1:
        optimiser.set_rate(rate_at(o.rate, share, step))
        lesson = lessons.next()
        with torch.no_grad():
            wanted, _, _ = logits_of(teacher, *lesson)
        logits, labels, weight = logits_of(student, *lesson)
        apart = F.kl_div(F.log_softmax(logits, -1), F.log_softmax(wanted, -1), log_target=True, reduction="none").sum(-1)
        optimiser.step(0.8 * (apart * weight).sum() / weight.sum() + 0.2 * loss_of(logits, labels, weight)[0])
        step += 1
    student.to(torch.bfloat16).save_pretrained(o.student)
    student.float()
    print(json.dumps({"steps": step, "pruned": before, "distilled": held_out()}))


if __name__ == "__main__":
    main()
