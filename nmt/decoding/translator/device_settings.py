"""Settings of the search that depend on the device."""

from dataclasses import replace

from nmt.config import DecodeSettings
from nmt.config.decode import BATCH_BEAM, BATCH_SAMPLES, CPU_BATCH_TOKENS, GPU_BATCH_TOKENS
from nmt.errors import NmtError
from nmt.system.devices import has_bf16


def settings_for(
    settings: DecodeSettings, device: str, candidates: int | None = None
) -> DecodeSettings:
    """Return the settings with those that depend on the device replaced by its own.

    device: its name, such as "cuda:1". candidates: outputs that are wanted of each segment; None:
    nothing is searched or drawn.
    """
    # Each segment has a row for each hypothesis or sample, so more of them need smaller batches.
    outputs, usual = 1, 1
    if candidates is not None:
        is_sample = settings.method == "sample"
        outputs = candidates if is_sample else settings.beam_size
        usual = BATCH_SAMPLES if is_sample else BATCH_BEAM
    is_gpu = device.startswith("cuda")
    most = GPU_BATCH_TOKENS if is_gpu else CPU_BATCH_TOKENS
    batch_tokens = settings.batch_tokens or most * usual // max(outputs, usual)
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if is_gpu and has_bf16(device) else "float32"
    return replace(settings, batch_tokens=batch_tokens, precision=precision)


def check_precision(settings: DecodeSettings, device: str) -> None:
    """Raise NmtError if the device cannot compute in `decode.precision`."""
    if settings.precision != "int8":
        return

    from nmt.kernels.linear import has_int8

    if not has_int8(device):
        on_cpu = "" if device == "cpu" else ", or add --device cpu"
        raise NmtError(f"decode.precision=int8 is for x86 CPUs; set it to float32 or bf16{on_cpu}")
