/* log.jsonl: what happened and when, one JSON object a line, appended. */
#ifndef RETORT_TRAIN_LOG_H
#define RETORT_TRAIN_LOG_H

#include "train/monitor.h"
#include "train/results.h"

/* {"time": ..., "event": "epoch", "epoch": 3, "lr": ..., "loss": ..., "terms": [{"name": "kl", "value": ...}], ...} */
rt_status rt_log_epoch(const char *path, const rt_epoch_row *row, const rt_loss_recipe *terms, size_t term_count,
                       rt_error *err);

/* {"time": ..., "event": "gradients", "step": 100, "terms": [{"name": "kl", "norm": ..., "feature_norm": ..., "cosine":
 * ...},
 * ...]} of the monitor's latest step; what the recipe does not name is left out, what there is not is null. */
rt_status rt_log_gradients(const char *path, const rt_monitor *monitor, rt_error *err);

/* {"time": ..., "event": EVENT, "detail": DETAIL}; "detail" is left out when it is NULL. */
rt_status rt_log_event(const char *path, const char *event, const char *detail, rt_error *err);

#endif
