/* retort eval: how good a network is on a split. */
#include <math.h>
#include <stdio.h>

#include "cli/prediction.h"
#include "recipe/number.h"
#include "train/metrics.h"

static void print_result(const rt_metrics *metrics)
{
    double cross_entropy = rt_metrics_cross_entropy(metrics);
    printf("{\"top1\": %s, \"top5\": %s, \"cross_entropy\": %s, \"images\": %zu}\n",
           rt_number_show(rt_metrics_top1(metrics)).text, rt_number_show(rt_metrics_top5(metrics)).text,
           isfinite(cross_entropy) ? rt_number_show(cross_entropy).text : "null", metrics->samples);
}

static int run(int argc, char **argv)
{
    rt_request request;
    rt_prediction prediction = {0};
    rt_metrics metrics = {0};
    rt_error err = {0};
    int code = rt_request_parse(&rt_command_eval, argc, argv, true, NULL, &request);
    if (code != RT_EXIT_OK)
        return code;
    rt_status status = rt_prediction_make(&rt_command_eval, &request, true, &prediction, &err);
    if (status == RT_OK && request.logits)
        status = rt_prediction_write(&prediction, &request, &err);
    if (status == RT_OK) {
        rt_metrics_add(&metrics, prediction.logits, prediction.images.labels, prediction.images.count,
                       prediction.classes);
        print_result(&metrics);
        if (metrics.not_finite > 0)
            status = rt_fail(&err, RT_ERROR_NUMERIC,
                             "%zu of %zu images have logits that are NaN or infinite; they count as wrong",
                             metrics.not_finite, metrics.samples);
    }
    rt_prediction_free(&prediction);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_eval, &err);
}

const rt_command rt_command_eval = {
    .name = "eval",
    .usage = "eval RUN_FOLDER | eval [--model NAME] --weights FILE --data READER:ROOT --split train|test "
             "[--mean a,b,c --std a,b,c] [--set key=value ...] [--rename FROM=TO ...] [--no-strict] [--logits out.npy] "
             "[--precision P] [--threads N] "
             "[--batch N] [--force]",
    .summary = "measure a network on a split: top-1, top-5 and cross-entropy",
    .details =
        "Prints {\"top1\", \"top5\", \"cross_entropy\", \"images\"}: percent, percent, mean in nats, count.\n"
        "Of a run's folder it takes best.safetensors and, unless --data names others, the test images of its "
        "recipe.yaml.\n"
        "\n" RT_REQUEST_DETAILS "  --logits FILE       write the logits, too: float32 [N, C], rows in file order",
    .run = run,
};
