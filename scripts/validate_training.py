"""Collates the training export as trainers do; started by scripts/validate-training.

    validate_training.py FOLDER CHECKPOINT

Each trainer must give the same words for an example, all pictures of its burst, and learn the answer. Two things stand in for what a machine without a GPU
does not have: unsloth_zoo's own start (it refuses to be imported) is passed by, its collator is loaded as it is; and a processor without its part for videos,
which needs torchvision, is let through."""
import importlib.util
import json
import os
import sys
import types
import warnings

warnings.filterwarnings("ignore")
os.environ["TRL_EXPERIMENTAL_SILENCE"] = os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from datasets import load_dataset
from transformers import AutoConfig, AutoTokenizer, Gemma4AudioFeatureExtractor, Gemma4ImageProcessorPil, Gemma4Processor
from transformers.processing_utils import ProcessorMixin

transformers.logging.set_verbosity_error()
folder, checkpoint = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
os.chdir(folder)  # paths in training.jsonl are relative to it
failures = 0


def say(ok, what, detail=""):
    global failures
    failures += not ok
    print("ok     " if ok else "FAILED ", what, detail, flush=True)


check_part = ProcessorMixin.check_argument_for_proper_class
ProcessorMixin.check_argument_for_proper_class = lambda self, name, part: None if name == "video_processor" else check_part(self, name, part)
with open(os.path.join(checkpoint, "chat_template.jinja")) as file:
    processor = Gemma4Processor(feature_extractor=Gemma4AudioFeatureExtractor(), image_processor=Gemma4ImageProcessorPil(max_soft_tokens=70),
                                tokenizer=AutoTokenizer.from_pretrained(checkpoint), video_processor=types.SimpleNamespace(), chat_template=file.read())
with open("training.jsonl") as file:
    lines = [json.loads(line) for line in file]
pictures = [sum(part["type"] == "image" for part in line["messages"][1]["content"]) for line in lines]
answers = [line["messages"][2]["content"][0]["text"] for line in lines]
named = load_dataset("json", data_files="training.jsonl", split="train")
placed = load_dataset("imagefolder", data_dir=os.path.join(folder, "images"), split="train")
say(len(named) == len(placed) == len(lines) > 0, "datasets reads both files", f"{len(lines)} examples")


def trl():
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    return DataCollatorForVisionLanguageModeling(processor), placed


def axolotl():
    from axolotl.processing_strategies import Gemma4ProcessingStrategy
    from axolotl.utils.collators.mm_chat import MultiModalChatDataCollator

    return MultiModalChatDataCollator(tokenizer=processor.tokenizer, processing_strategy=Gemma4ProcessingStrategy(processor)), named


def unsloth(rows):
    if "unsloth_zoo" not in sys.modules:
        package = types.ModuleType("unsloth_zoo")
        package.__path__ = [os.path.dirname(importlib.util.find_spec("unsloth_zoo").origin)]
        sys.modules["unsloth_zoo"] = package
    from unsloth_zoo.vision_utils import UnslothVisionDataCollator

    model = types.SimpleNamespace(config=AutoConfig.from_pretrained(checkpoint), max_seq_length=8192,
                                  get_input_embeddings=lambda: types.SimpleNamespace(weight=torch.zeros(1)))
    return UnslothVisionDataCollator(model, processor, resize="max"), rows


def cookbook():
    """The steps of the guide to fine-tuning Gemma for vision: pictures opened, in the parts; text by the template, pictures beside it."""
    def opened(row):
        images = iter(row["images"])
        return [{"role": message["role"], "content": [{"type": "image", "image": next(images)} if part["type"] == "image" else
                                                      {"type": "text", "text": part["text"]} for part in message["content"]]} for message in row["messages"]]

    def collate(rows):
        conversations = [opened(row) for row in rows]
        texts = [processor.apply_chat_template(messages, tokenize=False).strip() for messages in conversations]
        images = [[part["image"].convert("RGB") for message in messages for part in message["content"] if "image" in part] for messages in conversations]
        batch = processor(text=texts, images=images, padding=True, return_tensors="pt", add_special_tokens=False)
        batch["labels"] = batch["input_ids"].clone()
        return batch

    return collate, placed


wanted = None
for name, make in (("TRL", trl), ("Axolotl", axolotl), ("Unsloth, training.jsonl", lambda: unsloth(named)),
                   ("Unsloth, imagefolder", lambda: unsloth(placed)), ("Gemma cookbook", cookbook)):
    collate, rows = make()
    got = []
    for index, row in enumerate(rows):
        batch = collate([row])
        tokens, labels = batch["input_ids"][0], batch["labels"][0]
        learned = processor.tokenizer.decode(labels[labels >= 0])
        got.append("".join(processor.tokenizer.decode(tokens[tokens != processor.image_token_id]).split()))  # Unsloth sets line ends of its own
        if batch["pixel_values"].shape[0] != pictures[index] or answers[index] not in learned:
            say(False, f"{name}: example {index + 1}", f"{batch['pixel_values'].shape[0]} of {pictures[index]} pictures")
    wanted = wanted or got
    say(got == wanted, f"{name}: the same conversations, all pictures, the answer is learned")
sys.exit(1 if failures else 0)
