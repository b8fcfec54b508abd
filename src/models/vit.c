/* Vision transformers (Dosovitskiy et al. 2020, arXiv:2010.11929) as timm has them: patches become tokens, a learnt
 * token goes before them, blocks of attention and a perceptron add to them, and the first token is classified. Layers
 * have timm's names: vit_tiny is its vit_tiny_patch16_224, vit_b_16 its vit_base_patch16_224, deit_tiny (Touvron et al.
 * 2020, arXiv:2012.12877) its deit_tiny_patch16_224, which differs from vit_tiny in its training alone. Places are
 * learnt for one size of images: weights fit images of the size that they were trained on. */
#include <string.h>

#include "models/initialization.h"
#include "models/layers.h"
#include "models/models.h"

struct vit {
    int64_t patch, depth;
    double drop_path;
};

static const rt_param params[] = {
    RT_INT(struct vit, patch, 16, 1, 256, "the side of a patch in pixels; what is left over at the edges is not seen"),
    RT_INT(struct vit, depth, 12, 1, 64, "blocks"),
    RT_FLOAT(
        struct vit, drop_path, 0.0, 0.0, 0.95,
        "probability of dropping a branch of the last block for an image in training; growing from 0 at the first"),
    RT_PARAM_END,
};

static const char *const variants[] = {"vit_tiny", "vit_small", "vit_b_16", "deit_tiny", NULL};

/* Heads of 64 channels each, by variant. */
static const size_t heads[] = {3, 6, 12, 3};

static int branch(rt_graph *graph, const char *block, int half, int x, int y, double drop)
{
    if (drop > 0.0)
        y = rt_graph_drop_path(graph, rt_layer("%s.drop_path%d", block, half).text, y, drop);
    return rt_graph_add(graph, half == 1 ? rt_layer("%s.add", block).text : block, y, x);
}

static int transform(rt_graph *graph, const char *block, int x, size_t count, double drop)
{
    const size_t channels = rt_layer_channels(graph, x);
    const double epsilon = 1e-6;
    int y = rt_graph_layer_norm(graph, rt_layer("%s.norm1", block).text, x, epsilon);
    y = rt_graph_linear_each(graph, rt_layer("%s.attn.qkv", block).text, y, 3 * channels, true);
    y = rt_graph_attention(graph, rt_layer("%s.attn", block).text, y, count);
    y = rt_graph_linear_each(graph, rt_layer("%s.attn.proj", block).text, y, channels, true);
    x = branch(graph, block, 1, x, y, drop);
    y = rt_graph_layer_norm(graph, rt_layer("%s.norm2", block).text, x, epsilon);
    y = rt_graph_linear_each(graph, rt_layer("%s.mlp.fc1", block).text, y, 4 * channels, true);
    y = rt_graph_gelu(graph, rt_layer("%s.mlp.act", block).text, y);
    y = rt_graph_linear_each(graph, rt_layer("%s.mlp.fc2", block).text, y, channels, true);
    return branch(graph, block, 2, x, y, drop);
}

static void build(rt_graph *graph, const char *variant, const void *settings, const rt_model_input *input)
{
    const struct vit *options = settings;
    const size_t patch = (size_t)options->patch;
    size_t v = 0;
    while (strcmp(variants[v], variant) != 0)
        ++v;
    if (input->height < patch || input->width < patch)
        rt_graph_refuse(graph, "images of %zu x %zu are smaller than a patch of %zu x %zu", input->height, input->width,
                        patch, patch);
    int x = rt_graph_input(graph, input->height, input->width, input->channels);
    const int proj =
        rt_graph_convolution(graph, "patch_embed.proj", x,
                             (rt_window){.channels = 64 * heads[v], .kernel = patch, .stride = patch, .bias = true});
    x = rt_graph_tokens(graph, "tokens", proj, "cls_token", "pos_embed");
    for (int64_t i = 0; i < options->depth; ++i) {
        x = transform(graph, rt_layer("blocks.%d", (int)i).text, x, heads[v],
                      options->depth > 1 ? options->drop_path * (double)i / (double)(options->depth - 1) : 0.0);
        if ((i + 1) % 3 == 0 || i + 1 == options->depth)
            rt_graph_tap(graph, rt_layer("blocks.%d", (int)i).text, x);
    }
    x = rt_graph_layer_norm(graph, "norm", x, 1e-6);
    x = rt_graph_first_token(graph, "pool", x);
    rt_graph_tap(graph, "penultimate", x);
    rt_graph_output(graph, rt_graph_linear(graph, "head", x, input->classes, true));
    /* timm cuts its normal distributions off at 100 deviations. Places begin so in rt_graph_tokens(). */
    rt_normal_weights(graph, RT_NODE_LINEAR, 0.02);
    rt_zero_biases(graph, RT_NODE_LINEAR);
    rt_uniform_weights(graph, RT_NODE_CONVOLUTION, 1.0);
    rt_normal_weights(graph, RT_NODE_TOKENS, 1e-6);
}

const rt_model_family rt_model_family_vit = {
    .name = "vit",
    .summary = "vision transformers, timm's: patches of 16 x 16, attention, GELU, a token for the class",
    .reference = "Dosovitskiy et al. 2020, arXiv:2010.11929; Touvron et al. 2020, arXiv:2012.12877; names: timm",
    .params = params,
    .settings_size = sizeof(struct vit),
    .variants = variants,
    .usual = RT_INPUT_IMAGENET,
    .build = build,
};
