/* What every recipe may say, whatever its reader, models, losses, optimizer and schedule. */
#include "recipe/recipe.h"

/* Integers that a double holds exactly, so that the tables' ranges are exact. */
#define LARGEST 9007199254740992.0

static const char *const convolutions[] = {"auto", "direct", NULL};

static const char *const agreements[] = {
    [RT_AGREE_PROBABILITIES] = "probabilities", [RT_AGREE_LOGITS] = "logits", NULL};

const rt_param rt_recipe_params_top[] = {
    {"retort", "version of the recipe format", RT_PARAM_INT, offsetof(rt_recipe, version), 1.0, 1.0, 1.0, NULL, NULL,
     true},
    RT_BOOL(rt_recipe, baseline, false,
            "also train the student alone, on cross-entropy with the same schedule and seed"),
    RT_INT(rt_recipe, seed, 0, 0, LARGEST, "seed of all randomness"),
    RT_INT(rt_recipe, threads, 0, 0, 1024, "compute threads; 0 for one for each CPU"),
    RT_ENUM(rt_recipe, convolution, RT_CONVOLUTION_AUTO, convolutions,
            "how 3x3 convolutions are computed: Winograd's algorithm where it is faster, or always directly, which is "
            "slower and rounds less"),
    RT_ENUM(rt_recipe, agreement, RT_AGREE_PROBABILITIES, agreements,
            "what losses get for teacher.logits where teacher is a list: the logarithm of the mean of the teachers' "
            "probabilities, or the mean of their logits, by their weights"),
    RT_PARAM_END,
};

static const char *const corruptions[] = {[RT_CORRUPT_STOP] = "stop", [RT_CORRUPT_SKIP] = "skip", NULL};

const rt_param rt_recipe_params_data[] = {
    {"reader", "dataset reader", RT_PARAM_STRING, offsetof(rt_data_recipe, reader_name), 0.0, 0.0, 0.0, NULL, NULL,
     true},
    RT_STRING(rt_data_recipe, root, NULL, "folder of the data, relative to the working directory"),
    RT_INT(rt_data_recipe, limit, 0, 0, LARGEST, "use the first training samples only, this many; 0 for all"),
    RT_FLOAT(rt_data_recipe, validation, 0.0, 0.0, 0.9, "share of the training samples held out for validation"),
    RT_FLOAT_LIST(rt_data_recipe, mean, 0.0, 1.0, "mean of each channel, pixels in 0..1; measured where not given"),
    RT_FLOAT_LIST(rt_data_recipe, std, 1e-6, 1.0,
                  "standard deviation of each channel, pixels in 0..1; measured where not given"),
    RT_INT(rt_data_recipe, workers, 1, 0, 64, "threads that make batches; 0 makes each when it is asked for"),
    RT_INT(rt_data_recipe, prefetch, 4, 1, 64, "batches made ahead"),
    RT_INT(rt_data_recipe, size, 0, 0, 4096,
           "height and width that the network sees, in pixels; 0 for images as they are, where all have one size"),
    RT_INT(rt_data_recipe, resize, 0, 0, 8192,
           "the short side before the centre of that size is taken, in pixels; 0 for size * 8 / 7: 256 for 224"),
    RT_ENUM(rt_data_recipe, corrupt, RT_CORRUPT_STOP, corruptions,
            "an image that cannot be read stops the run when its turn comes, or is found and left out before it "
            "begins, which reads all of them once"),
    RT_PARAM_END,
};

const rt_param rt_recipe_params_augment[] = {
    RT_BOOL(rt_augment_recipe, flip, false, "mirror left-right with probability one half"),
    RT_PARAM_END,
};

const rt_param rt_recipe_params_crop[] = {
    {"pad", "pad by this many black pixels on each side, crop back at random; 0 for off", RT_PARAM_INT,
     offsetof(rt_augment_recipe, crop_pad), 0.0, 0.0, 64.0, NULL, NULL, true},
    RT_PARAM_END,
};

#define NETWORK_PARAMS                                                                                                 \
    RT_REQUIRED_STRING(rt_network_recipe, model, "name of the network"),                                               \
        RT_STRING(rt_network_recipe, weights, NULL,                                                                    \
                  "file to take the weights from, relative to the working directory"),                                 \
        RT_BOOL(rt_network_recipe, strict, true,                                                                       \
                "refuse weights where a parameter is missing or a tensor is unexpected; false tells which as a "       \
                "warning")

const rt_param rt_recipe_params_student[] = {
    NETWORK_PARAMS,
    RT_PARAM_END,
};

static const char *const memo_precisions[] = {[RT_MEMO_FP32] = "fp32", [RT_MEMO_FP16] = "fp16", NULL};

const rt_param rt_recipe_params_teacher[] = {
    NETWORK_PARAMS,
    RT_FLOAT(rt_network_recipe, weight, 1.0, 0.0, 1e6, "its share among several teachers, in proportion to theirs"),
    RT_ENUM(
        rt_network_recipe, precision, RT_PRECISION_FP32, rt_precision_names,
        "what its convolutions multiply when it is asked: fp32, bf16, int8, calibrated on training images, or auto, "
        "which is bf16 in the layers where a fixed rule says that this CPU is faster with it"),
    RT_STRING(rt_network_recipe, memo, "auto",
              "where its logits are kept for later runs: auto (below ~/.cache, if it fits), off, or a file NAME.memo"),
    RT_ENUM(rt_network_recipe, memo_precision, RT_MEMO_FP32, memo_precisions,
            "fp32 keeps every bit; fp16 takes half the space and rounds the logits, which changes results"),
    RT_PARAM_END,
};

const rt_param rt_recipe_params_expect[] = {
    {"top1", "percent of the test images that the teacher must get right", RT_PARAM_FLOAT,
     offsetof(rt_expect_recipe, top1), 0.0, 0.0, 100.0, NULL, NULL, true},
    RT_FLOAT(rt_expect_recipe, tolerance, 0.5, 0.0, 100.0, "how far it may be off, in points"),
    RT_PARAM_END,
};

static const char *const weight_schedules[] = {
    [RT_WEIGHT_CONSTANT] = "constant", [RT_WEIGHT_LINEAR] = "linear", [RT_WEIGHT_COSINE] = "cosine", NULL};

const rt_param rt_recipe_params_term[] = {
    RT_FLOAT(rt_loss_recipe, weight, 1.0, 0.0, 1e6, "multiplies the term"),
    RT_INT(rt_loss_recipe, warmup, 0, 0, 100000,
           "epochs in which the weight grows in equal parts: in the n-th epoch of the term it is n / warmup of itself"),
    RT_INT(rt_loss_recipe, start, 1, 1, 100000, "first epoch in which the term counts; before it, it is not computed"),
    RT_INT(rt_loss_recipe, stop, 0, 0, 100000, "last epoch in which the term counts; 0 for the training's last"),
    RT_ENUM(rt_loss_recipe, schedule, RT_WEIGHT_CONSTANT, weight_schedules,
            "how the weight goes from its first epoch to final_weight in its last"),
    RT_FLOAT(rt_loss_recipe, final_weight, 0.0, 0.0, 1e6, "where a linear or cosine schedule ends"),
    RT_STRING(rt_loss_recipe, student, NULL,
              "where the loss reads features: the student's layer; by default the last map, or, for vectors, what the "
              "classifier reads"),
    RT_STRING(rt_loss_recipe, teacher, NULL,
              "likewise the teacher's layer; of several teachers the number of one, from 0, or both: 1.layer2"),
    RT_PARAM_END,
};

const char *const rt_monitor_names[] = {
    [RT_MONITOR_NORM] = "gradient_norm", [RT_MONITOR_COSINE] = "gradient_cosine", [RT_MONITORS] = NULL};

const rt_param rt_recipe_params_train[] = {
    {"epochs", "passes over the training samples", RT_PARAM_INT, offsetof(rt_train_recipe, epochs), 1.0, 1.0, 100000.0,
     NULL, NULL, true},
    RT_INT(rt_train_recipe, batch, 128, 1, 65536, "images in a step"),
    RT_ENUM(rt_train_recipe, precision, RT_PRECISION_FP32, rt_training_precision_names,
            "what convolutions multiply in training: fp32, bf16 (sums, weights, norms and losses stay fp32), or auto, "
            "which is bf16 in the layers where a fixed rule says that this CPU is faster with it"),
    RT_FLOAT(rt_train_recipe, clip_norm, 0.0, 0.0, 1e9, "largest norm of all gradients together; 0 for off"),
    RT_FLOAT(rt_train_recipe, clip_value, 0.0, 0.0, 1e9, "largest size of each gradient element; 0 for off"),
    RT_FLOAT(rt_train_recipe, ema, 0.0, 0.0, 0.999999, "decay of the weights' exponential moving average; 0 for off"),
    RT_INT(rt_train_recipe, monitor_steps, 100, 1, 1000000, "what monitor names is measured in every so many steps"),
    RT_PARAM_END,
};

const rt_recipe_section rt_recipe_sections[] = {
    {"", "the whole of one experiment", rt_recipe_params_top,
     "the sections data, teacher, student, loss and train; plugins: [FILE.so, ...], losses of your own\n"
     "(`retort help plugin`), by paths relative to the recipe's folder; sweep: {KEY: [VALUE, ...]},\n"
     "the many runs of `retort sweep`"},
    {"data", "where the images come from; required", rt_recipe_params_data,
     "the reader's own settings (`retort help dataset/NAME`), and augment"},
    {"data.augment", "random changes to each training image; none by default", rt_recipe_params_augment,
     "crop, and what `retort list augmentations` names, each with its settings (`retort help augmentation/NAME`)"},
    {"data.augment.crop", "random crop; none by default", rt_recipe_params_crop, NULL},
    {"teacher", "the network that is learned from, or a list of up to 8; optional", rt_recipe_params_teacher,
     "the model's own settings (`retort help model/NAME`), or model: {layers: [...]}, a network of your own (`retort "
     "help "
     "layers`); train and loss like the recipe's own, to train the teacher "
     "first. Exactly one of weights and train is given; loss is cross_entropy by default. Beside weights: rename: "
     "{FROM: "
     "TO}, the beginnings of tensors' names and what they become; and expect"},
    {"teacher.expect", "what weights must come to before anything is trained; nothing by default",
     rt_recipe_params_expect, NULL},
    {"student", "the network that learns; required", rt_recipe_params_student,
     "the model's own settings (`retort help model/NAME`), or model: {layers: [...]}, a network of your own (`retort "
     "help "
     "layers`). Weights, where given, are what training begins with; "
     "rename: {FROM: TO} as for a teacher"},
    {"loss[]", "a list of terms that add up; required", rt_recipe_params_term,
     "one key, the loss's name, and below it its settings (`retort help loss/NAME`) beside these"},
    {"train", "how the student learns; required", rt_recipe_params_train,
     "optimizer: {NAME: {settings}}, sgd by default; schedule: {NAME: {settings}}, constant by default; monitor: "
     "[...], "
     "none by default, of gradient_norm (of each term's gradient at the student's logits and features) and "
     "gradient_cosine (of each term's and cross_entropy's, at the logits), told in log.jsonl and as the run goes on"},
};
const size_t rt_recipe_section_count = sizeof rt_recipe_sections / sizeof *rt_recipe_sections;
