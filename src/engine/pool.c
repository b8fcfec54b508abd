/* Max and average pooling by oneDNN. Average pools count their padding as zeros, as PyTorch's default does. A global
 * average pool is one window as large as the image: our own (global_average_pool.c) is held to it (peers.h). */
#include <stdlib.h>

#include "engine/onednn.h"

struct pool {
    dnnl_memory_desc_t src, dst;
    rt_primitive forward, backward;
};

/* Strides, sizes, dilations, padding before and after; heights first. */
static void slide(const rt_kernel *kernel, dnnl_dims_t window[5])
{
    const rt_window *w = &kernel->node->window;
    const rt_extent in = rt_kernel_source(kernel, 0), out = kernel->node->shape;
    const size_t sizes_in[2] = {in.height, in.width}, sizes_out[2] = {out.height, out.width};
    for (int i = 0; i < 2; ++i) {
        if (kernel->node->kind == RT_NODE_GLOBAL_AVERAGE_POOL) {
            window[0][i] = 1;
            window[1][i] = (dnnl_dim_t)sizes_in[i];
            window[2][i] = window[3][i] = window[4][i] = 0;
            continue;
        }
        window[0][i] = (dnnl_dim_t)w->stride;
        window[1][i] = (dnnl_dim_t)w->kernel;
        window[2][i] = (dnnl_dim_t)w->dilation - 1;
        window[3][i] = (dnnl_dim_t)w->padding;
        window[4][i] = (dnnl_dim_t)((sizes_out[i] - 1) * w->stride + (w->kernel - 1) * w->dilation + 1) -
                       (dnnl_dim_t)(sizes_in[i] + w->padding);
    }
}

static rt_status plan_directions(rt_kernel *kernel, dnnl_primitive_attr_t attributes, rt_error *err)
{
    struct pool *p = kernel->state;
    dnnl_dims_t w[5];
    slide(kernel, w);
    dnnl_alg_kind_t algorithm =
        kernel->node->kind == RT_NODE_MAX_POOL ? dnnl_pooling_max : dnnl_pooling_avg_include_padding;
    bool frozen = kernel->mode == RT_MODE_FROZEN;
    RT_TRY(rt_onednn_check(
        kernel,
        dnnl_pooling_forward_primitive_desc_create(&p->forward.descriptor, kernel->engine->engine,
                                                   frozen ? dnnl_forward_inference : dnnl_forward_training, algorithm,
                                                   p->src, p->dst, w[0], w[1], w[2], w[3], w[4], attributes),
        "pool", err));
    RT_TRY(rt_primitive_create(kernel, &p->forward, err));
    RT_TRY(rt_primitive_argument(kernel, &p->forward, DNNL_ARG_SRC, p->src, err));
    RT_TRY(rt_primitive_argument(kernel, &p->forward, DNNL_ARG_DST, p->dst, err));
    kernel->implementation[0] = p->forward.implementation;
    if (frozen)
        return RT_OK;
    RT_TRY(rt_onednn_check(kernel,
                           dnnl_pooling_backward_primitive_desc_create(&p->backward.descriptor, kernel->engine->engine,
                                                                       algorithm, p->src, p->dst, w[0], w[1], w[2],
                                                                       w[3], w[4], p->forward.descriptor, attributes),
                           "pool backward", err));
    RT_TRY(rt_primitive_create(kernel, &p->backward, err));
    RT_TRY(rt_primitive_argument(kernel, &p->backward, DNNL_ARG_DIFF_DST, p->dst, err));
    RT_TRY(rt_primitive_argument(kernel, &p->backward, DNNL_ARG_DIFF_SRC, p->src, err));
    kernel->implementation[1] = p->backward.implementation;
    const_dnnl_memory_desc_t workspace =
        dnnl_primitive_desc_query_md(p->forward.descriptor, dnnl_query_workspace_md, 0);
    kernel->workspace_bytes = workspace ? dnnl_memory_desc_get_size(workspace) : 0;
    if (kernel->workspace_bytes == 0)
        return RT_OK;
    RT_TRY(rt_primitive_argument(kernel, &p->forward, DNNL_ARG_WORKSPACE, workspace, err));
    return rt_primitive_argument(kernel, &p->backward, DNNL_ARG_WORKSPACE, workspace, err);
}

static rt_status plan(rt_kernel *kernel, rt_error *err)
{
    struct pool *p = kernel->state = calloc(1, sizeof *p);
    if (!p)
        return rt_fail(err, RT_ERROR_MEMORY, "pool '%s': no memory", kernel->node->name);
    RT_TRY(rt_onednn_activation(kernel, rt_kernel_source(kernel, 0), &p->src, err));
    RT_TRY(rt_onednn_activation(kernel, kernel->node->shape, &p->dst, err));
    dnnl_primitive_attr_t attributes = NULL;
    rt_status status = rt_onednn_attributes(kernel, &attributes, err);
    if (status == RT_OK)
        status = plan_directions(kernel, attributes, err);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static rt_status forward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct pool *p = kernel->state;
    rt_primitive_point(&p->forward, DNNL_ARG_SRC, io->src[0]);
    rt_primitive_point(&p->forward, DNNL_ARG_DST, io->dst);
    rt_primitive_point(&p->forward, DNNL_ARG_WORKSPACE, io->workspace);
    return rt_primitive_run(kernel, &p->forward, io->scratch, err);
}

static rt_status backward(rt_kernel *kernel, const rt_kernel_io *io, rt_error *err)
{
    struct pool *p = kernel->state;
    if (!io->diff_src[0])
        return RT_OK;
    rt_primitive_point(&p->backward, DNNL_ARG_DIFF_DST, io->diff_dst[0]);
    rt_primitive_point(&p->backward, DNNL_ARG_DIFF_SRC, io->diff_src[0]);
    rt_primitive_point(&p->backward, DNNL_ARG_WORKSPACE, io->workspace);
    return rt_primitive_run(kernel, &p->backward, io->scratch, err);
}

static void done(rt_kernel *kernel)
{
    struct pool *p = kernel->state;
    if (!p)
        return;
    rt_primitive_done(&p->forward);
    rt_primitive_done(&p->backward);
    rt_onednn_layout_done(&p->src);
    rt_onednn_layout_done(&p->dst);
    free(p);
    kernel->state = NULL;
}

const rt_kernel_class rt_kernel_pool = {
    .name = "oneDNN",
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .done = done,
};
