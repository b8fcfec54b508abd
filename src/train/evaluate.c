#include <stdlib.h>

#include "train/training.h"

rt_status rt_evaluate(rt_inference *inference, rt_loader *loader, size_t classes, rt_metrics *metrics, rt_error *err)
{
    float *logits = NULL;
    size_t capacity = 0;
    rt_status status = RT_OK;
    *metrics = (rt_metrics){0};
    rt_loader_seek(loader, 0, 0);
    for (const rt_batch *batch; status == RT_OK && (batch = rt_loader_next(loader));) {
        if (batch->count > capacity) {
            free(logits);
            capacity = batch->count;
            logits = malloc(capacity * classes * sizeof *logits);
        }
        status = logits ? rt_inference_run(inference, batch->images, batch->count, logits, err)
                        : rt_fail(err, RT_ERROR_MEMORY, "no memory to evaluate %zu images", capacity);
        if (status == RT_OK)
            rt_metrics_add(metrics, logits, batch->labels, batch->count, classes);
    }
    free(logits);
    return status == RT_OK ? rt_loader_failure(loader, err) : status;
}
