/* retort predict: a network's logits for every image of a split. */
#include <stdio.h>

#include <jansson.h>

#include "cli/prediction.h"

static void print_result(const rt_request *request, const rt_prediction *prediction)
{
    json_t *path = json_string(request->logits); /* NULL where the name is not UTF-8, which JSON cannot say */
    double rate = (double)prediction->images.count / prediction->seconds;
    json_t *result = json_pack("{s:I, s:I, s:o*, s:f}", "images", (json_int_t)prediction->images.count, "classes",
                               (json_int_t)prediction->classes, "logits", path, "images_per_s", rate);
    if (result)
        json_dumpf(result, stdout, JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(result);
}

static int run(int argc, char **argv)
{
    rt_request request;
    rt_prediction prediction = {0};
    rt_error err = {0};
    int code = rt_request_parse(&rt_command_predict, argc, argv, false, NULL, &request);
    if (code != RT_EXIT_OK)
        return code;
    if (!request.logits)
        return rt_command_misused(&rt_command_predict, "where shall the logits go? --logits FILE");
    rt_status status = rt_prediction_make(&rt_command_predict, &request, false, &prediction, &err);
    if (status == RT_OK)
        status = rt_prediction_write(&prediction, &request, &err);
    if (status == RT_OK)
        print_result(&request, &prediction);
    rt_prediction_free(&prediction);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_predict, &err);
}

const rt_command rt_command_predict = {
    .name = "predict",
    .usage = "predict [--model NAME] --weights FILE --data READER:ROOT --split train|test [--mean a,b,c --std a,b,c] "
             "[--set key=value ...] [--rename FROM=TO ...] [--no-strict] --logits out.npy [--precision P] [--threads "
             "N] [--batch N] [--force]",
    .summary = "write a network's logits for every image of a split",
    .details = "Writes float32 [N, C], rows in file order, and prints {\"images\", \"classes\", \"logits\", "
               "\"images_per_s\"}.\n"
               "\n" RT_REQUEST_DETAILS "  --logits FILE       the .npy file to write",
    .run = run,
};
