"""timm's vision transformers. Their learnt token and places are parameters of the whole network, which PyTorch lists before
those of its parts; here they stand behind the patches' convolution."""

import timm
from timm.models.vision_transformer import Attention, VisionTransformer

import filling
from published import run_by


def ordered(model):
    plain = model.state_dict

    def state_dict(*arguments, **options):
        state = plain(*arguments, **options)
        names = list(state)
        first = [name for name in names if name.startswith("patch_embed")]
        return {name: state[name] for name in (*first, *(name for name in names if name not in first))}

    model.state_dict = state_dict
    for layer in model.modules():  # so that the plain definition is computed
        if isinstance(layer, Attention):
            layer.fused_attn = False
    return model


def made(name):
    return ordered(timm.create_model(name, num_classes=filling.CLASSES))


def small():
    model = VisionTransformer(img_size=32, patch_size=8, num_classes=filling.CLASSES, embed_dim=192, depth=2, num_heads=3)
    return run_by(ordered(model))


def attention_macs(model):
    """Of the products within attention, which belong to no layer."""
    tokens = model.pos_embed.shape[1]
    return sum(2 * tokens * tokens * layer.qkv.in_features for layer in model.modules() if isinstance(layer, Attention))


MODELS = {"vit_tiny": made("vit_tiny_patch16_224")}
SIZES = {"vit_small": made("vit_small_patch16_224"), "vit_b_16": made("vit_base_patch16_224"),
         "deit_tiny": made("deit_tiny_patch16_224")}
TRIAL = ("vit_tiny patch=8 depth=2", small)
SIDES = (224, 32)
RUNS = (("train", 4), ("eval", 4))
SAMPLES = 4
POOLED = True
KINKS = False
MORE_MACS = attention_macs
