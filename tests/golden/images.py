"""Camera picture to vision patches, step by step, in NumPy: what the patches of golden.py are held against.

Pictures are uint8 arrays [height, width, 3] in RGB order.
"""

import math

import numpy as np


def lanczos3(x):
    """Lanczos window of radius 3 at x (any shape, unitless)."""
    x = np.abs(np.asarray(x, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = 3.0 * np.sin(np.pi * x) * np.sin(np.pi * x / 3.0) / (np.pi * np.pi * x * x)
    return np.where(x < 1e-3, 1.0, np.where(x >= 3.0, 0.0, value))


def _antialias_weights(source_size, target_size):
    """Rows of a [target_size, source_size] matrix: the antialiased Lanczos-3 weights of each output sample."""
    inverse_scale = source_size / target_size
    kernel_scale = max(inverse_scale, 1.0)
    weights = np.zeros((target_size, source_size))
    for out in range(target_size):
        centre = (out + 0.5) * inverse_scale
        first = max(math.ceil(centre - 3.0 * kernel_scale - 0.5), 0)
        last = min(math.floor(centre + 3.0 * kernel_scale - 0.5), source_size - 1)
        taps = np.arange(first, last + 1)
        w = lanczos3((taps + 0.5 - centre) / kernel_scale)
        weights[out, first:last + 1] = w / w.sum()
    return weights


def resize_lanczos3(image, height, width):
    """Antialiased Lanczos-3 resize, rounded half to even and clipped: tf.image.resize(method="lanczos3", antialias=True)."""
    rows = _antialias_weights(image.shape[0], height)
    columns = _antialias_weights(image.shape[1], width)
    resized = np.einsum("ys,sxc->yxc", rows, image.astype(np.float64))
    resized = np.einsum("xs,ysc->yxc", columns, resized)
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)


def center_crop(image, area):
    """Central crop of that share of the area, resized back bilinearly to the input size.

    Samples are corner-aligned (first and last sample on the crop's borders) as in tf.image.crop_and_resize;
    back to 8 bit as tf.image.convert_image_dtype does: floor(value * 255.5) of a value in [0, 1].
    """
    height, width = image.shape[:2]
    side = np.float32(math.sqrt(area))
    low = (np.float32(1) - side) / np.float32(2)
    high = low + side

    def samples(size):
        step = (high - low) * (size - 1) / (size - 1)
        position = low * (size - 1) + np.arange(size) * step
        below = np.floor(position).astype(int)
        return below, np.minimum(np.ceil(position).astype(int), size - 1), position - below

    top, bottom, fraction_y = samples(height)
    left, right, fraction_x = samples(width)
    value = image.astype(np.float64) / 255.0
    fraction_x, fraction_y = fraction_x[None, :, None], fraction_y[:, None, None]
    upper = value[top][:, left] * (1 - fraction_x) + value[top][:, right] * fraction_x
    lower = value[bottom][:, left] * (1 - fraction_x) + value[bottom][:, right] * fraction_x
    cropped = np.clip(upper * (1 - fraction_y) + lower * fraction_y, 0, 1)
    return np.minimum(np.floor(cropped * 255.5), 255).astype(np.uint8)


def smart_size(height, width, factor, min_pixels, max_pixels):
    """Size (height, width) that is a multiple of factor, of nearly the same aspect, with a pixel count in the bounds."""
    if min(height, width) < factor:
        if height < width:
            height, width = factor, round(width / height * factor)
        else:
            height, width = round(height / width * factor), factor
    elif max(height, width) / min(height, width) > 200:
        raise ValueError("aspect ratio above 200")
    new_height, new_width = round(height / factor) * factor, round(width / factor) * factor
    if new_height * new_width > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        new_height = math.floor(height / shrink / factor) * factor
        new_width = math.floor(width / shrink / factor) * factor
    elif new_height * new_width < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        new_height = math.ceil(height * grow / factor) * factor
        new_width = math.ceil(width * grow / factor) * factor
    return new_height, new_width


def _bicubic(x):
    """Cubic convolution kernel with a = -0.5."""
    x = abs(x)
    if x < 1:
        return ((1.5 * x) - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


def _resample_rows(image, target):
    """Pillow's 8-bit resampling along axis 0: fixed-point weights of 22 bits, result rounded and clipped."""
    source = image.shape[0]
    scale = source / target
    stretch = max(scale, 1.0)
    support = 2.0 * stretch
    result = np.empty((target,) + image.shape[1:], np.uint8)
    for out in range(target):
        centre = (out + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), source)
        weights = np.array([_bicubic((tap - centre + 0.5) / stretch) for tap in range(first, last)])
        weights /= weights.sum()
        fixed = np.trunc(weights * (1 << 22) + np.where(weights < 0, -0.5, 0.5)).astype(np.int64)
        total = np.tensordot(fixed, image[first:last].astype(np.int64), axes=(0, 0)) + (1 << 21)
        result[out] = np.clip(total >> 22, 0, 255)
    return result


def resize_bicubic(image, height, width):
    """Pillow's Image.resize(..., BICUBIC), bit for bit: horizontal pass first, 8 bit in between; no pass where the size stays."""
    if width != image.shape[1]:
        image = _resample_rows(image.transpose(1, 0, 2), width).transpose(1, 0, 2)
    if height != image.shape[0]:
        image = _resample_rows(image, height)
    return image


def patches(image, preprocessor):
    """Normalised patches of one picture whose sides are multiples of patch * merge.

    Returns (float32 [grid_h * grid_w, 3 * temporal * patch * patch], (grid_h, grid_w)); rows in merged order
    (block row, block column, row in block, column in block), a row laid out as (channel, time, y, x).
    """
    patch, merge, temporal = (preprocessor[k] for k in ("patch_size", "merge_size", "temporal_patch_size"))
    mean = np.array(preprocessor["image_mean"], np.float64)
    deviation = np.array(preprocessor["image_std"], np.float64)
    value = (image.astype(np.float64) / 255.0 - mean) / deviation
    grid_h, grid_w = image.shape[0] // patch, image.shape[1] // patch
    value = value.reshape(grid_h // merge, merge, patch, grid_w // merge, merge, patch, 3)
    value = value.transpose(0, 3, 1, 4, 6, 2, 5)             # block row, block column, row, column, channel, y, x
    value = np.repeat(value[:, :, :, :, :, None], temporal, axis=5)
    return value.reshape(grid_h * grid_w, -1).astype(np.float32), (grid_h, grid_w)


def prepare(image, steps, preprocessor):
    """The whole way of one decoded picture. steps: {"rotate_180": bool, "resize": [h, w] or None, "center_crop": area or None}.

    Returns a dictionary of every stage's result: "decoded", "rotated", "resized", "cropped", "smart", "patches", "grid".
    """
    stage = {"decoded": image}
    stage["rotated"] = np.ascontiguousarray(image[::-1, ::-1]) if steps.get("rotate_180") else image
    size = steps.get("resize")
    stage["resized"] = resize_lanczos3(stage["rotated"], *size) if size else stage["rotated"]
    area = steps.get("center_crop")
    stage["cropped"] = center_crop(stage["resized"], area) if area else stage["resized"]
    factor = preprocessor["patch_size"] * preprocessor["merge_size"]
    target = smart_size(*stage["cropped"].shape[:2], factor, preprocessor["min_pixels"], preprocessor["max_pixels"])
    stage["smart"] = resize_bicubic(stage["cropped"], *target)
    stage["patches"], stage["grid"] = patches(stage["smart"], preprocessor)
    return stage
