"""Loads exported folders with vLLM's own code; started by scripts/validate-vllm.

    validate_vllm.py FOLDER…

Runs, on a machine without a GPU, everything of vLLM up to the first product: its reading of config.json and of quantization_config, the choice of a
scheme for every layer, the making of every parameter, and its loader, which renames, fuses and shards what it finds in the folder. No value is
replaced. Then each tensor of the folder must have been taken, and each parameter of the model been filled. What needs a GPU's kernels is not run: the
repacking of int4 weights for one of them, and the products."""
import json
import os
import sys

os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"
os.environ["VLLM_TARGET_DEVICE"] = "cpu"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
import vllm.platforms
from vllm.platforms.cpu import CpuPlatform

vllm.platforms._current_platform = CpuPlatform()  # the wheel is built for CUDA; asked, it would find no platform at all

import torch
from safetensors import safe_open
from vllm.config import set_current_vllm_config
from vllm.distributed import init_distributed_environment, initialize_model_parallel
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.kernels.linear.mixed_precision.cpu import CPUWNA16LinearKernel
from vllm.model_executor.layers.attention import Attention
from vllm.model_executor.layers.quantization.compressed_tensors.schemes import compressed_tensors_wNa16 as wna16
from vllm.model_executor.model_loader import get_model_loader
from vllm.model_executor.model_loader.utils import initialize_model
from vllm.utils.torch_utils import set_default_torch_dtype

choose = wna16.choose_mp_linear_kernel


def choose_kernel(config):
    """Which kernel will multiply depends on the machine; none of a processor takes the smallest shapes of test models, so one is named for them."""
    try:
        return choose(config)
    except ValueError:
        return CPUWNA16LinearKernel


wna16.choose_mp_linear_kernel = choose_kernel
failures = 0


def say(ok, name, what, detail=""):
    global failures
    failures += not ok
    print("ok     " if ok else "FAILED ", f"{name}: {what}", detail, flush=True)


def tensors_of(folder):
    names = {}
    for file in sorted(os.listdir(folder)):
        if file.endswith(".safetensors"):
            with safe_open(os.path.join(folder, file), "pt") as tensors:
                names.update({name: tensors.get_slice(name).get_shape() for name in tensors.keys()})
    return names


def load(model, config):
    """Which tensors of the folder vLLM's loader drew, and which parameters it says it filled."""
    drawn = []
    loader = get_model_loader(config.load_config)

    def counted(pairs):
        for name, tensor in pairs:
            drawn.append(name)
            yield name, tensor

    loaded = model.load_weights(counted(loader.get_all_weights(config.model_config, model)))
    return drawn, set(loaded)


def check(folder):
    name = os.path.basename(folder.rstrip("/"))
    engine = EngineArgs(model=folder, max_model_len=128, max_num_batched_tokens=128, max_num_seqs=4, enforce_eager=True)
    vllm_config = engine.create_engine_config()
    with open(os.path.join(folder, "config.json")) as file:
        quantised = "quantization_config" in json.load(file)
    say((vllm_config.quant_config is not None) == quantised, name, "its quantisation is understood", type(vllm_config.quant_config).__name__)
    with set_current_vllm_config(vllm_config):
        if not torch.distributed.is_initialized():
            init_distributed_environment(1, 0, "file:///tmp/validate-vllm-" + str(os.getpid()), 0, "gloo")
            initialize_model_parallel(1)
        with set_default_torch_dtype(vllm_config.model_config.dtype):
            model = initialize_model(vllm_config=vllm_config)
        drawn, loaded = load(model, vllm_config)
    caches = {key for key, module in model.named_modules(remove_duplicate=False) if isinstance(module, Attention)}  # their scales are for int8 caches
    state = {key: tensor for key, tensor in model.state_dict(keep_vars=True).items() if key.rpartition(".")[0] not in caches}
    filled = {id(state[key]) for key in loaded}  # one tensor may have several names
    missing = sorted(key for key, tensor in state.items() if id(tensor) not in filled)
    say(not missing, name, f"all {len(filled)} parameters are filled", missing[:4])
    there = tensors_of(folder)
    say(sorted(drawn) == sorted(there), name, f"all {len(there)} tensors are taken", sorted(set(there) - set(drawn))[:4])
    packed = sum(key.endswith("weight_packed") for key in state)
    say((packed > 0) == quantised, name, "int4 layers, q k v and gate up fused", packed)


for folder in sys.argv[1:]:
    check(folder)
print(f"{failures} failed" if failures else "all is taken")
sys.exit(failures > 0)
