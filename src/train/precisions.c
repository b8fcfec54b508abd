#include "train/precisions.h"

#include "engine/arithmetic.h"

rt_status rt_recipe_check_precisions(const rt_recipe *recipe, rt_error *err)
{
    RT_TRY(rt_precision_check((rt_precision)recipe->train.precision, "train.precision", err));
    for (size_t i = 0; i < rt_recipe_teachers(recipe); ++i) {
        const rt_network_recipe *teacher = rt_recipe_teacher(recipe, i);
        RT_TRY(rt_precision_check((rt_precision)teacher->precision, "teacher.precision", err));
        if (teacher->train_present)
            RT_TRY(rt_precision_check((rt_precision)teacher->train.precision, "teacher.train.precision", err));
    }
    return RT_OK;
}
