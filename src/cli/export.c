/* retort export: a network in the formats of those who run it elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "base/threads.h"
#include "cli/export_sample.h"
#include "cli/infer_file.h"
#include "cli/output.h"
#include "export/c_header.h"
#include "export/onnx.h"
#include "export/quantize.h"
#include "export/timm.h"
#include "recipe/number.h"
#include "train/pretrained.h"
#include "train/save.h"

enum { USUAL_IMAGES = 32, QUANTIZED_IMAGES = 1000, CALIBRATION_IMAGES = 256, MOST_IMAGES = 1000000 };

/* Multiply-accumulates that loops for every machine get done in less than a minute. */
static const uint64_t affordable_macs = UINT64_C(40000000000);

typedef struct job {
    rt_request request;
    const char *safetensors, *onnx, *c_header, *timm, *images;
    bool fold, normalize, int8;
    size_t image_count; /* 0: as many as is usual */
    rt_inputs inputs;
    rt_export_sample sample;
    rt_c_name c_name;
    rt_lowered lowered; /* what a quantised file, or the C header, is made of */
    float *ranges;      /* of the folded program's values, once they are measured */
    json_t *report;     /* an object for each file */
} job;

/* One format: what it is called, where it goes, and how it is written and then read and run again. */
typedef struct format {
    const char *name, *path;
    rt_status (*write)(job *j, const char *path, rt_error *err);
    rt_status (*compare)(const job *j, const char *path, rt_export_difference *difference, rt_error *err);
} format;

static rt_status write_safetensors(job *j, const char *path, rt_error *err)
{
    return rt_network_save(path, j->inputs.network, j->inputs.network->parameters, &j->inputs.normalization, err);
}

static rt_status compare_safetensors(const job *j, const char *path, rt_export_difference *difference, rt_error *err)
{
    return rt_export_compare_weights(&j->sample, j->inputs.network, path, difference, err);
}

static rt_status translate_floats(const job *j, bool fold, rt_program *program, rt_error *err)
{
    const rt_normalization *normalization = &j->inputs.normalization;
    const rt_translation how = {fold, j->normalize, normalization->mean, normalization->std};
    return rt_program_translate(j->inputs.network->graph, j->inputs.network->parameters, &how, program, err);
}

/* `most`, or as many as can be run in reasonable time. */
static size_t affordable_images(const job *j, size_t most)
{
    const uint64_t macs = rt_graph_macs(j->inputs.network->graph) + 1;
    const uint64_t count = affordable_macs / macs;
    return count > most ? most : count < USUAL_IMAGES ? USUAL_IMAGES : (size_t)count;
}

/* Images of training have the say about ranges: those that the loss is measured on do not. */
static rt_status calibrate(job *j, const rt_program *program, rt_error *err)
{
    rt_inputs training;
    rt_export_sample sample = {0};
    rt_request request = j->request;
    request.split = RT_SPLIT_TRAIN;
    request.split_given = true;
    j->ranges = calloc(program->value_count + 1, sizeof *j->ranges);
    if (!j->ranges)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory for %zu ranges", program->value_count);
    RT_TRY(rt_inputs_open(&request, true, &training, err));
    rt_status status = rt_export_sample_make(&training, affordable_images(j, CALIBRATION_IMAGES), &sample, err);
    if (status == RT_OK)
        status =
            rt_program_measure(program, j->normalize ? sample.pixels : sample.planes, sample.count, j->ranges, err);
    if (status == RT_OK)
        fprintf(stderr, "int8: ranges are those of %zu images of training\n", sample.count);
    rt_export_sample_free(&sample);
    rt_inputs_close(&training);
    return status;
}

static rt_status translate(job *j, bool fold, rt_program *program, rt_error *err)
{
    rt_program floats;
    if (!j->int8)
        return translate_floats(j, fold, program, err);
    RT_TRY(translate_floats(j, true, &floats, err));
    rt_status status = j->ranges ? RT_OK : calibrate(j, &floats, err);
    if (status == RT_OK)
        status = rt_program_quantize(&floats, j->ranges, program, err);
    rt_program_free(&floats);
    return status;
}

/* What the network is, and what it wants to be fed: ours, or pixels in 0..1. Returns how many lines that is. */
static size_t describe(const job *j, const rt_network_words *words, rt_text_pair about[RT_DESCRIPTION_PAIRS + 1])
{
    for (size_t i = 0; i < RT_DESCRIPTION_PAIRS; ++i)
        about[i] = words->text.pairs[i];
    about[RT_DESCRIPTION_PAIRS] =
        (rt_text_pair){"retort.takes", j->normalize ? "pixels in 0..1" : "(pixels in 0..1 - retort.mean) / retort.std"};
    return RT_DESCRIPTION_PAIRS + 1;
}

static rt_status write_onnx(job *j, const char *path, rt_error *err)
{
    rt_program program;
    rt_network_words words;
    RT_TRY(rt_network_describe(j->inputs.network, &j->inputs.normalization, &words, err));
    rt_status status = translate(j, j->fold, &program, err);
    if (status == RT_OK) {
        rt_text_pair about[RT_DESCRIPTION_PAIRS + 1];
        if (j->int8)
            status = rt_lowered_make(&program, &j->lowered, err);
        if (status == RT_OK)
            status = rt_onnx_write(path, &program, j->inputs.network->variant, about, describe(j, &words, about), err);
        rt_program_free(&program);
    }
    rt_network_words_free(&words);
    return status;
}

static rt_status compare_lowered(const job *j, const rt_lowered *read, const char *path,
                                 rt_export_difference *difference, rt_error *err)
{
    return j->int8 ? rt_export_compare_quantized(&j->sample, &j->lowered, read, j->normalize, path, difference, err)
                   : rt_export_compare_lowered(&j->sample, read, j->normalize, path, difference, err);
}

static rt_status compare_onnx(const job *j, const char *path, rt_export_difference *difference, rt_error *err)
{
    rt_program program;
    rt_lowered lowered;
    RT_TRY(rt_onnx_read(path, &program, err));
    rt_status status = rt_lowered_make(&program, &lowered, err);
    rt_program_free(&program);
    RT_TRY(status);
    status = compare_lowered(j, &lowered, path, difference, err);
    rt_lowered_free(&lowered);
    return status;
}

static rt_status lower_folded(job *j, rt_error *err)
{
    rt_program program;
    RT_TRY(translate(j, true, &program, err));
    rt_lowered_free(&j->lowered);
    rt_status status = rt_lowered_make(&program, &j->lowered, err);
    rt_program_free(&program);
    return status;
}

static rt_status write_c_header(job *j, const char *path, rt_error *err)
{
    rt_network_words words;
    RT_TRY(lower_folded(j, err));
    RT_TRY(rt_network_describe(j->inputs.network, &j->inputs.normalization, &words, err));
    rt_text_pair about[RT_DESCRIPTION_PAIRS + 1];
    rt_status status = rt_infer_file_write(path, j->request.force, err);
    if (status == RT_OK)
        status = rt_c_header_write(path, &j->c_name, &j->lowered, about, describe(j, &words, about), err);
    rt_network_words_free(&words);
    return status;
}

static rt_status compare_c_header(const job *j, const char *path, rt_export_difference *difference, rt_error *err)
{
    rt_lowered lowered;
    RT_TRY(rt_c_header_read(path, &j->c_name, &j->lowered, &lowered, err));
    rt_status status = compare_lowered(j, &lowered, path, difference, err);
    rt_lowered_free(&lowered);
    return status;
}

static rt_status write_timm(job *j, const char *folder, rt_error *err)
{
    rt_network_words words;
    RT_TRY(rt_network_describe(j->inputs.network, &j->inputs.normalization, &words, err));
    rt_status status =
        rt_timm_write(folder, j->inputs.network, &words.description, words.text.pairs, RT_DESCRIPTION_PAIRS, err);
    rt_network_words_free(&words);
    return status;
}

static rt_status compare_timm(const job *j, const char *folder, rt_export_difference *difference, rt_error *err)
{
    const rt_network *student = j->inputs.network;
    rt_network *network;
    RT_TRY(rt_network_new(student->variant, student->settings, &student->input, false, &network, err));
    rt_status status = rt_timm_read(folder, network, err);
    if (status == RT_OK)
        status = rt_export_compare_network(&j->sample, network, folder, difference, err);
    rt_network_free(network);
    return status;
}

/* What quantising costs; of other formats nothing. */
static json_t *tell_quantized(const job *j, const format *f, const rt_export_difference *difference)
{
    if (!j->int8 || (f->path != j->onnx && f->path != j->c_header))
        return NULL;
    const double percent = 100.0 / (double)j->sample.count;
    const double before = percent * (double)difference->student_right, after = percent * (double)difference->right;
    fprintf(stderr, "%s: int8: top-1 is %.2f %% in fp32, %.2f %% in int8 (%+.2f)\n", f->name, before, after,
            after - before);
    return json_pack("{s:f, s:f}", "top1_fp32", before, "top1", after);
}

static void tell(job *j, const format *f, size_t bytes, const rt_export_difference *difference)
{
    fprintf(stderr,
            "%s: %s, %zu bytes; on %zu images its logits differ from the student's by at most %.2g (largest logit "
            "%.3g), top-1 is the same on %zu\n",
            f->name, f->path, bytes, j->sample.count, difference->largest, difference->scale, difference->same_top1);
    json_array_append_new(
        j->report, json_pack("{s:s, s:o*, s:I, s:I, s:f, s:f, s:I, s:o*}", "format", f->name, "file",
                             json_string(f->path), "bytes", (json_int_t)bytes, "images", (json_int_t)j->sample.count,
                             "largest_difference", difference->largest, "largest_logit", difference->scale, "same_top1",
                             (json_int_t)difference->same_top1, "int8", tell_quantized(j, f, difference)));
}

/* A file that does not hold what it should is not left behind. */
static rt_status export_one(job *j, const format *f, rt_error *err)
{
    rt_export_difference difference;
    size_t bytes = 0;
    char *file = f->path == j->timm ? rt_path_join(f->path, "model.safetensors") : strdup(f->path);
    if (!file)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to write '%s'", f->path);
    rt_status status = f->write(j, f->path, err);
    if (status == RT_OK) {
        status = f->compare(j, f->path, &difference, err);
        if (status == RT_OK)
            status = rt_file_size(file, &bytes, err);
        if (status == RT_OK)
            tell(j, f, bytes, &difference);
        else
            unlink(file);
    }
    free(file);
    return status;
}

static rt_status export_all(job *j, const format *formats, size_t count, rt_error *err)
{
    if (j->c_header) {
        RT_TRY(rt_c_name_make(j->c_header, &j->c_name, err));
        RT_TRY(rt_infer_file_check(j->c_header, j->request.force, err));
    }
    for (size_t i = 0; i < count; ++i)
        if (formats[i].path && formats[i].path != j->timm)
            RT_TRY(rt_output_check(formats[i].path, j->request.force, err));
    if (j->timm && rt_path_exists(j->timm) && !j->request.force)
        return rt_fail(err, RT_ERROR_FILE, "cannot write '%s': it exists; --force writes into it", j->timm);
    rt_threads_start((int)j->request.threads);
    RT_TRY(rt_inputs_open(&j->request, j->int8, &j->inputs, err));
    if (j->timm)
        RT_TRY(rt_timm_check(j->inputs.network, err));
    if (j->image_count == 0)
        j->image_count = affordable_images(j, j->int8 ? QUANTIZED_IMAGES : USUAL_IMAGES);
    RT_TRY(rt_export_sample_make(&j->inputs, j->image_count, &j->sample, err));
    j->report = json_array();
    for (size_t i = 0; i < count; ++i)
        if (formats[i].path)
            RT_TRY(export_one(j, &formats[i], err));
    json_dumpf(j->report, stdout, JSON_REAL_PRECISION(6));
    printf("\n");
    return RT_OK;
}

static int read_image_count(job *j)
{
    int64_t count = 0;
    double value;
    if (j->images &&
        (rt_number_read(j->images, &count, &value) != RT_NUMBER_INTEGER || count < 1 || count > MOST_IMAGES))
        return rt_command_misused(&rt_command_export, "--images '%s': it must be an integer from 1 to %d", j->images,
                                  MOST_IMAGES);
    j->image_count = (size_t)count;
    return RT_EXIT_OK;
}

static int parse(int argc, char **argv, job *j)
{
    const rt_request_option own[] = {
        {"safetensors", &j->safetensors, NULL}, {"onnx", &j->onnx, NULL},     {"c-header", &j->c_header, NULL},
        {"timm-dir", &j->timm, NULL},           {"images", &j->images, NULL}, {"fold", NULL, &j->fold},
        {"normalize", NULL, &j->normalize},     {"int8", NULL, &j->int8},     {0},
    };
    int code = rt_request_parse(&rt_command_export, argc, argv, true, own, &j->request);
    if (code != RT_EXIT_OK)
        return code;
    if (j->request.logits || j->request.precision != RT_PRECISION_FP32)
        return rt_command_misused(&rt_command_export, "--logits and --precision are not for export");
    if (!j->safetensors && !j->onnx && !j->c_header && !j->timm)
        return rt_command_misused(
            &rt_command_export, "export it as what? --safetensors FILE, --onnx FILE, --c-header FILE, --timm-dir DIR");
    if (j->int8 && !j->onnx && !j->c_header)
        return rt_command_misused(&rt_command_export, "--int8 is for --onnx and --c-header");
    return read_image_count(j);
}

static int run(int argc, char **argv)
{
    job j = {0};
    rt_error err = {0};
    int code = parse(argc, argv, &j);
    if (code != RT_EXIT_OK)
        return code;
    const format formats[] = {
        {"safetensors", j.safetensors, write_safetensors, compare_safetensors},
        {"onnx", j.onnx, write_onnx, compare_onnx},
        {"c-header", j.c_header, write_c_header, compare_c_header},
        {"timm-dir", j.timm, write_timm, compare_timm},
    };
    rt_status status = export_all(&j, formats, sizeof formats / sizeof *formats, &err);
    json_decref(j.report);
    rt_lowered_free(&j.lowered);
    free(j.ranges);
    rt_export_sample_free(&j.sample);
    rt_inputs_close(&j.inputs);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_export, &err);
}

const rt_command rt_command_export = {
    .name = "export",
    .usage = "export RUN_FOLDER | export [--model NAME] --weights FILE --data READER:ROOT --split train|test "
             "[--mean a,b,c --std a,b,c] [--set key=value ...]; with [--safetensors FILE] [--onnx FILE] "
             "[--c-header FILE] [--timm-dir DIR] [--fold] [--normalize] [--int8] [--images N] [--threads N] [--force]",
    .summary = "write a network for those who run it elsewhere: safetensors, ONNX, C, timm",
    .details =
        "Writes the network of a run's folder (best.safetensors), or of --weights, and then reads each file back, runs "
        "what is in it on images of the data, and tells the largest difference of its logits from the student's. "
        "More than a thousandth of the largest logit is an error, and the file is removed.\n"
        "Prints [{\"format\", \"file\", \"bytes\", \"images\", \"largest_difference\", \"largest_logit\", "
        "\"same_top1\"}, ...].\n"
        "\n"
        "  --safetensors FILE  the network's tensors by PyTorch's names, and nothing of the training\n"
        "  --onnx FILE         ONNX, opset 17: input `images` [batch, channels, height, width], output `logits`. It "
        "is\n"
        "                      checked by an own reader and plain loops after ONNX's definitions\n"
        "  --c-header FILE     weights and operators as C arrays, batch norms folded, and beside it retort_infer.h, "
        "which\n"
        "                      runs them: plain C99. It is checked by reading the arrays out of the text\n"
        "  --timm-dir DIR      a new folder for timm.create_model('local-dir:DIR', pretrained=True): resnet18 to\n"
        "                      resnet152, mobilenet_v2, mobilenet_v3_*, efficientnet_b0, vgg*_bn, vit_*, deit_tiny. It "
        "is\n"
        "                      checked by reading it back by timm's names\n"
        "  --fold              batch norms become part of the convolutions before them (ONNX)\n"
        "  --normalize         the network normalises: it takes pixels in 0..1 (ONNX, C); else it takes what --mean "
        "and\n"
        "                      --std, or the training, made of them\n"
        "  --int8              convolutions and matrix products multiply integers of 8 bits (ONNX: QuantizeLinear and\n"
        "                      DequantizeLinear; C: weights of a byte), with ranges of up to 256 training images. "
        "Their\n"
        "                      logits may differ by any amount, and \"int8\": {\"top1_fp32\", \"top1\"} says at what "
        "cost\n"
        "  --images N          images for the comparison, evenly from the split; 32 by default; with --int8 up to\n"
        "                      1000, as many as plain loops run in about a minute\n"
        "\n" RT_REQUEST_DETAILS,
    .run = run,
};
