#include "datasets/view.h"

#include <stdlib.h>

#include "datasets/decode.h"

void rt_workspace_free(rt_workspace *workspace)
{
    rt_picture_free(&workspace->picture);
    free(workspace->images);
    free(workspace->scratch);
    *workspace = (rt_workspace){0};
}

rt_status rt_images_fit(rt_images *images, size_t size, size_t short_side, rt_error *err)
{
    if (size == 0 && !images->pixels)
        return rt_fail(err, RT_ERROR_USAGE,
                       "data: the images differ in size; data.size must say to which they are "
                       "resized");
    if (size == 0 && short_side > 0)
        return rt_fail(err, RT_ERROR_USAGE, "data: resize %zu without size; data.size says what the network sees",
                       short_side);
    if (size == 0)
        return RT_OK;
    if (short_side == 0)
        short_side = size * 8 / 7;
    if (short_side < size)
        return rt_fail(err, RT_ERROR_USAGE, "data: resize %zu and size %zu; the short side cannot be below the size",
                       short_side, size);
    images->stored_height = images->height;
    images->stored_width = images->width;
    images->height = images->width = size;
    images->short_side = short_side;
    return RT_OK;
}

bool rt_view_is_plain(const rt_images *images, const rt_augment *augment)
{
    /* Mixing comes later, and minds no images. */
    bool plain = images->pixels && images->short_side == 0;
    for (size_t i = 0; i < augment->choice_count; ++i)
        plain = plain && augment->choices[i].augmentation->mix;
    return plain;
}

static rt_status fetch(const rt_images *images, size_t index, rt_picture *picture, rt_error *err)
{
    if (!images->pixels)
        return images->fetch(images, index, picture, err);
    const bool resized = images->short_side > 0;
    picture->height = resized ? images->stored_height : images->height;
    picture->width = resized ? images->stored_width : images->width;
    picture->channels = images->channels;
    picture->pixels = images->pixels + index * picture->height * picture->width * picture->channels;
    return RT_OK;
}

static rt_status grow(void **memory, size_t *capacity, size_t bytes, rt_error *err)
{
    if (bytes <= *capacity)
        return RT_OK;
    free(*memory);
    *capacity = 0;
    *memory = malloc(bytes);
    if (!*memory)
        return rt_fail(err, RT_ERROR_MEMORY, "no memory to resize an image: %zu bytes", bytes);
    *capacity = bytes;
    return RT_OK;
}

/* Half of `room`, to the even number where it lies between two: Python's round(), which torchvision crops by. */
static size_t half(size_t room)
{
    return room / 2 + (room % 4 == 3);
}

/* The short side to its size, and the centre of that. */
static rt_resampling whole_view(const rt_images *images, const rt_picture *picture)
{
    size_t height = picture->height, width = picture->width, to = images->short_side;
    rt_resampling r = {.from = {0, 0, height, width}, .height = height, .width = width};
    if (to > 0) {
        r.height = height <= width ? to : to * height / width;
        r.width = height <= width ? to * width / height : to;
    }
    r.window = (rt_box){half(r.height - images->height), half(r.width - images->width), images->height, images->width};
    return r;
}

static rt_draws draws_of(const rt_augmentation *augmentation, const rt_view *view, size_t index)
{
    return rt_draws_for(
        augmentation, (rt_key){.seed = view->seed, .stream = RT_STREAM_PICTURE, .epoch = view->epoch, .index = index});
}

static rt_resampling choose(const rt_images *images, const rt_picture *picture, size_t index, const rt_augment *augment,
                            const rt_view *view)
{
    rt_resampling r = whole_view(images, picture);
    for (size_t i = 0; augment && i < augment->choice_count; ++i) {
        const rt_augmentation *augmentation = augment->choices[i].augmentation;
        if (!augmentation->choose)
            continue;
        rt_draws draws = draws_of(augmentation, view, index);
        augmentation->choose(augment->choices[i].settings, &draws, picture->height, picture->width, &r.from);
        r.height = images->height;
        r.width = images->width;
        r.window = (rt_box){0, 0, images->height, images->width};
    }
    return r;
}

/* augment and view NULL: without augmentation. */
static rt_status make(const rt_images *images, size_t index, const rt_augment *augment, const rt_view *view,
                      rt_workspace *workspace, rt_canvas *canvas, rt_error *err)
{
    const size_t bytes = images->height * images->width * images->channels;
    void *memory = workspace->images;
    RT_TRY(fetch(images, index, &workspace->picture, err));
    const rt_resampling r = choose(images, &workspace->picture, index, augment, view);
    rt_status status = grow(&memory, &workspace->image_capacity, 2 * bytes, err);
    workspace->images = memory;
    if (status == RT_OK)
        status =
            grow(&workspace->scratch, &workspace->scratch_capacity, rt_resample_scratch(&workspace->picture, &r), err);
    if (status != RT_OK)
        return status;
    *canvas =
        (rt_canvas){images->height, images->width, images->channels, workspace->images, workspace->images + bytes};
    rt_resample(&workspace->picture, &r, workspace->scratch, canvas->pixels);
    for (size_t i = 0; augment && i < augment->choice_count; ++i) {
        const rt_augmentation_choice *choice = &augment->choices[i];
        rt_draws draws = draws_of(choice->augmentation, view, index);
        if (choice->augmentation->paint)
            choice->augmentation->paint(choice->settings, &draws, canvas);
    }
    return RT_OK;
}

rt_status rt_view_bytes(const rt_images *images, size_t index, rt_workspace *workspace, const uint8_t **bytes,
                        rt_error *err)
{
    rt_canvas canvas;
    RT_TRY(make(images, index, NULL, NULL, workspace, &canvas, err));
    *bytes = canvas.pixels;
    return RT_OK;
}

rt_status rt_view_render(const rt_rendering *rendering, const rt_images *images, size_t index, const rt_view *view,
                         rt_workspace *workspace, float *out, rt_error *err)
{
    const size_t height = images->height, width = images->width, channels = images->channels;
    const rt_augment *augment = &rendering->augment;
    if (rt_view_is_plain(images, augment)) {
        rt_render(rendering, images->pixels + index * height * width * channels, view->variant, out);
        return RT_OK;
    }
    rt_canvas canvas;
    RT_TRY(make(images, index, augment, view, workspace, &canvas, err));
    rt_render(rendering, canvas.pixels, view->variant, out);
    for (size_t i = 0; i < augment->choice_count; ++i) {
        const rt_augmentation_choice *choice = &augment->choices[i];
        rt_draws draws = draws_of(choice->augmentation, view, index);
        if (choice->augmentation->finish)
            choice->augmentation->finish(choice->settings, &draws, height, width, channels, out);
    }
    return RT_OK;
}
