"""Files that hold nothing but sound."""

from __future__ import annotations

import io
import math
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from tests.media.corpus.cases import Case, Tones, add, case, heard
from tests.media.corpus.making import RATE, encoded_sound, mux, pcm, tones, wav, with_serial, write

CUT = frozenset({"truncated", "ends_early"})
NO_VIDEO = ("no_video_stream", "decode_error")


def _file(name: str, what: str, make: Callable[[Path], Any], sound: Any = None, **options: Any) -> None:
    add(Case(name, what, make, options.pop("video", NO_VIDEO), sound or heard(), **options))


def _bytes(name: str, what: str, data: Callable[[], bytes], sound: Any = None, **options: Any) -> None:
    _file(name, what, lambda path: path.write_bytes(data()) and None, sound, **options)


for _bits in (8, 16, 24, 32):
    _bytes(f"{_bits}bit.wav", f"WAV of {_bits} bits", lambda bits=_bits: wav(pcm(tones(), bits), bits=bits))
_bytes("float.wav", "WAV of floats", lambda: wav(tones().astype("<f4").tobytes(), bits=32, tag=3))
_bytes("double.wav", "WAV of doubles", lambda: wav(tones().astype("<f8").tobytes(), bits=64, tag=3))
_bytes("big_endian.wav", "RIFX", lambda: wav(pcm(tones(), 16, ">"), magic=b"RIFX"), heard(exact=False))
_bytes("stereo.wav", "WAV of two channels", lambda: wav(pcm(tones(channels=2)), channels=2))
_bytes("surround.wav", "extensible, 5.1", lambda: wav(pcm(tones(channels=6)), channels=6, extensible=0x3F))
_bytes("8khz.wav", "8 kHz", lambda: wav(pcm(tones(rate=8000)), rate=8000))
_bytes("192khz.wav", "192 kHz", lambda: wav(pcm(tones(rate=192_000)), rate=192_000))
_bytes("32_channels.wav", "32 channels", lambda: wav(pcm(tones(channels=32)), channels=32))
_bytes("64_channels.wav", "64 channels", lambda: wav(pcm(tones(0.5, channels=64)), channels=64), "bad_channels")
_bytes("1hz.wav", "a rate of 1 Hz", lambda: wav(pcm(tones()), rate=1), "bad_sample_rate")
_bytes("4ghz.wav", "a rate of 4 GHz", lambda: wav(pcm(tones()), rate=4_000_000_000), "bad_sample_rate")
_bytes("0hz.wav", "a rate of 0 Hz", lambda: wav(pcm(tones()), rate=0), ("bad_sample_rate", "decode_error"))
_bytes("0_channels.wav", "0 channels", lambda: wav(pcm(tones()), channels=0), ("bad_channels", "decode_error"))
_bytes("no_samples.wav", "no samples", lambda: wav(b""), "no_audio")
_bytes(
    "one_sample.wav", "one sample: too short to compare", lambda: wav(pcm(tones()[:, :1])), Tones(((0.0, 0.0, None),))
)
_bytes("never_closed.wav", "sizes of 0, as while it is recorded", lambda: wav(pcm(tones()), riff_size=0, data_size=0))
_bytes(
    "never_closed_f.wav",
    "sizes of 2**32 - 1, as from a pipe",
    lambda: wav(pcm(tones()), riff_size=2**32 - 1, data_size=2**32 - 1),
)
_bytes(
    "never_closed_float.wav",
    "sizes of 0, floats",
    lambda: wav(tones().astype("<f4").tobytes(), bits=32, tag=3, riff_size=0, data_size=0),
)
_bytes("cut_off.wav", "half of a WAV", lambda: wav(pcm(tones()))[: 44 + 144_000], heard(1.5), warned=CUT)
_bytes(
    "cut_off_stereo.wav",
    "half of a WAV, within a sample",
    lambda: wav(pcm(tones(channels=2)), channels=2)[: 44 + 288_001],
    heard(1.5),
    warned=CUT,
)
_bytes(
    "chunks.wav",
    "chunks of notes before and after",
    lambda: wav(
        pcm(tones()),
        before=b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0",
        after=b"id3 " + struct.pack("<I", 10) + bytes(10),
    ),
)
_bytes("trailing.wav", "bytes after the end", lambda: wav(pcm(tones())) + b"\xff" * 5000)
_bytes("header_only.wav", "a header that promises what is not there", lambda: wav(b"", data_size=10**6), "no_audio")
_bytes(
    "odd_chunk.wav",
    "an odd chunk with its padding",
    lambda: wav(pcm(tones()), before=b"abcd" + struct.pack("<I", 3) + b"xyz\0"),
)
_bytes("rf64.wav", "RF64, whose sizes have 64 bits", lambda: rf64(pcm(tones())))
_bytes("unknown_codec.wav", "a codec that nobody knows", lambda: wav(pcm(tones()), tag=0x7777), ("decode_error",))


def rf64(data: bytes) -> bytes:
    """Return a WAV whose sizes stand in a part of their own."""
    plain = wav(data, magic=b"RF64", riff_size=2**32 - 1, data_size=2**32 - 1)
    sizes = struct.pack("<QQQI", len(plain) + 28, len(data), len(data) // 2, 0)
    return plain[:12] + b"ds64" + struct.pack("<I", len(sizes)) + sizes + plain[12:]


def _soundfile(
    name: str, what: str, sound: Any = None, *, may_warn: frozenset[str] = frozenset(), **options: Any
) -> None:
    def make(path: Path) -> None:
        soundfile.write(path, tones().T, RATE, **options)

    _file(name, what, make, sound, may_warn=may_warn)


_soundfile("plain.flac", "FLAC")
_bytes("vorbis.ogg", "Ogg Vorbis", lambda: ogg(tones()))
_bytes("long.ogg", "20 s of Ogg Vorbis", lambda: ogg(tones(20.0)), heard(20))
_bytes("opus.ogg", "Ogg Opus", lambda: ogg(tones(), subtype="OPUS"))
_soundfile("soundfile.mp3", "MP3", format="MP3", sound=heard(within=0.1))
_soundfile("plain.aiff", "AIFF")
_soundfile("float.aiff", "AIFF-C of floats", format="AIFF", subtype="FLOAT")
_soundfile("plain.au", "Sun's format")
_soundfile("plain.caf", "Apple's format")
_soundfile("plain.w64", "Sony's format of 64 bits")
_soundfile("ulaw.wav", "mu-law", subtype="ULAW")
_soundfile("adpcm.wav", "ADPCM", subtype="MS_ADPCM")


def _encoded(name: str, what: str, codec: str, sound: Any = None, rate: int = RATE, **options: Any) -> None:
    slow = options.pop("slow", False)

    def make(path: Path) -> None:
        write(path, 0, waveform=tones(rate=rate), sound_codec=codec, sound_rate=rate, **options)

    _file(name, what, make, sound, needs=(codec,), slow=slow)


_encoded("cbr.mp3", "MP3 of a constant rate", "libmp3lame", heard(within=0.1))
_encoded("plain.m4a", "AAC in MP4", "aac")
_encoded("plain.aac", "AAC in ADTS", "aac", heard(within=0.1))
_encoded("alac.m4a", "Apple lossless", "alac")
_encoded("plain.opus", "Opus", "libopus")
_encoded("plain.oga", "FLAC in Ogg", "flac", container_format="oga")
_encoded("plain.ac3", "AC-3", "ac3", heard(within=0.1))
_encoded("plain.eac3", "E-AC-3", "eac3", heard(within=0.1))
_encoded("plain.mka", "Vorbis in Matroska", "libopus", container_format="matroska")
_encoded("plain.wma", "WMA", "wmav2", heard(within=0.12), container_format="asf")
_encoded("plain.tta", "True Audio", "tta", container_format="tta")
_encoded("plain.wv", "WavPack", "wavpack", container_format="wv")
_encoded("plain.mp2", "MPEG-1 layer 2", "mp2", heard(within=0.1), container_format="mp2")
_encoded("16khz.m4a", "AAC of 16 kHz", "aac", rate=16_000)
_encoded(
    "late.mka",
    "sound whose clock starts at 5 s: time 0 is where it starts",
    "flac",
    sound_start=5.0,
    container_format="matroska",
)


def mp3(waveform: np.ndarray, rate: int = RATE, **options: str) -> bytes:
    """Return the frames of an MP3 without any header in front."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp3"
        with av.open(str(path), "w", options={"write_xing": "0", "id3v2_version": "0"}) as container:
            stream = container.add_stream("libmp3lame", rate=rate, layout="mono", options=options)
            mux(container, list(encoded_sound(stream, waveform, rate, "mono")))
        return path.read_bytes()


def _quiet_start(seconds: float = 15.0) -> np.ndarray:
    """Tones under noise that gets loud: what an encoder of a variable rate starts small with."""
    waveform = tones(seconds)
    noise = np.random.default_rng(0).uniform(-0.15, 0.15, waveform.shape).astype(np.float32)
    noise[:, : 5 * RATE] = 0
    return waveform + noise


_bytes(
    "vbr_without_xing.mp3",
    "MP3 of a variable rate, and no header that says how long",
    lambda: mp3(_quiet_start(), compression_level="7", qscale="2"),
    heard(15.0, within=0.1),
)
_bytes("no_xing.mp3", "MP3 of a constant rate without a header", lambda: mp3(tones()), heard(within=0.1))
_bytes("picture.mp3", "ID3 with a picture of 60 kB", lambda: id3_picture(60_000) + mp3(tones()), heard(within=0.1))
_bytes(
    "junk_before.mp3", "junk before the first frame", lambda: bytes(range(1, 200)) * 5 + mp3(tones()), heard(within=0.1)
)
_bytes("id3v1.mp3", "tags at the end", lambda: mp3(tones()) + b"TAG" + bytes(125), heard(within=0.1))


def id3_picture(size: int) -> bytes:
    """Return an ID3 tag with a JPEG-like picture of ``size`` bytes."""
    body = b"\0image/jpeg\0\x03\0" + b"\xff\xd8\xff\xe0" + bytes(size)
    frame = b"APIC" + struct.pack(">IH", len(body), 0) + body
    length = len(frame)
    synchsafe = bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + synchsafe + frame


def ogg(waveform: np.ndarray, rate: int = RATE, subtype: str = "VORBIS", serial: int = 1) -> bytes:
    """Return an Ogg file of float32 (C, T)."""
    memory = io.BytesIO()
    soundfile.write(memory, waveform.T, rate, format="OGG", subtype=subtype)
    return with_serial(memory.getvalue(), serial)


def _chained(name: str, subtype: str, links: int = 2, rates: tuple[int, ...] = (RATE,)) -> None:
    def data() -> bytes:
        used = [rates[link % len(rates)] for link in range(links)]
        return b"".join(
            ogg(tones(3.0, rate, first=3 * link), rate, subtype, link + 1) for link, rate in enumerate(used)
        )

    sound = heard(3.0 * links, within=0.1, exact=False)
    _bytes(
        name,
        f"{links} links of {subtype.title()}, one after the other",
        data,
        sound,
        warned=frozenset({"rate_changes"} if len(set(rates)) > 1 else ()),
    )


_chained("chained.opus", "OPUS")
_chained("chained.ogg", "VORBIS")
_chained("chained_3.ogg", "VORBIS", 3)
_chained("chained_rates.ogg", "VORBIS", 2, (48_000, 24_000))


def _samples(name: str, what: str, waveform: np.ndarray, sound: Any, **options: Any) -> None:
    _bytes(name, what, lambda: wav(waveform.astype("<f4").tobytes(), bits=32, tag=3), sound, **options)


_silence = np.zeros((1, 2 * RATE), np.float32)
_samples("silent.wav", "silence", _silence, Tones(((0.0, 2.0, None),)))
_samples(
    "nan.wav", "samples that are no numbers", np.where(np.arange(2 * RATE) == 777, np.nan, _silence), "non_finite_audio"
)
_samples("inf.wav", "infinite samples", np.where(np.arange(2 * RATE) == 777, -np.inf, _silence), "non_finite_audio")
_samples(
    "huge_samples.wav", "samples of 1e30", np.where(np.arange(2 * RATE) == 777, 1e30, _silence), "non_finite_audio"
)
_samples(
    "loud.wav", "samples of the range of 16-bit numbers", tones() * 32_768, heard(), warned=frozenset({"loud_samples"})
)
_samples("constant.wav", "a constant", _silence + 0.5, Tones(((0.0, 2.0, -3),), exact=True))


@case(
    "hour.flac", "an hour and a second of silence: longer than the limit", video=NO_VIDEO, sound="too_long", slow=True
)
def _(path: Path) -> None:
    with soundfile.SoundFile(path, "w", 4000, 1) as file:
        for _ in range(3601):
            file.write(np.zeros(4000, np.int16))


@case("claims_a_day.wav", "a header that claims 18 hours over three seconds", video=NO_VIDEO, sound=heard(), warned=CUT)
def _(path: Path) -> None:
    path.write_bytes(wav(pcm(tones(rate=8000)), rate=8000, data_size=2**30 - 8, riff_size=2**30))


@case("claims_samples.flac", "a header that claims 2**36 samples", video=NO_VIDEO, sound=("too_long", "decode_error"))
def _(path: Path) -> None:
    soundfile.write(path, tones().T, RATE)
    data = bytearray(path.read_bytes())
    data[21] = data[21] | 0x0F
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)


def _cut(name: str, what: str, original: str, part: float, sound: Any, **options: Any) -> None:
    """A sound file cut off after a part of it."""

    def make(path: Path) -> None:
        from tests.media.corpus.cases import CASES

        CASES[original].make(path)
        data = path.read_bytes()
        path.write_bytes(data[: math.ceil(len(data) * part)])

    _file(name, what, make, sound, **options)


_cut(
    "cut.flac",
    "half of a FLAC file",
    "plain.flac",
    0.5,
    heard(1.5, within=0.3),
    warned=CUT,
    may_warn=frozenset({"damaged_frames", "damaged_audio"}),
)
_cut("cut.ogg", "half of an Ogg file", "long.ogg", 0.5, heard(10, within=2), may_warn=CUT)
_cut(
    "cut.mp3",
    "half of an MP3",
    "cbr.mp3",
    0.5,
    heard(1.5, within=0.2),
    warned=CUT,
    may_warn=frozenset({"damaged_frames", "damaged_audio"}),
)
_cut("cut.m4a", "half of an MP4 whose index is at the end", "plain.m4a", 0.5, "decode_error", video="decode_error")
_cut("cut.aiff", "half of an AIFF file", "plain.aiff", 0.5, heard(1.5), warned=CUT)
_cut("cut.caf", "half of a CAF file", "plain.caf", 0.5, heard(1.5, within=0.2), warned=CUT)
_cut(
    "cut.aac", "half of an ADTS file", "plain.aac", 0.5, heard(1.5, within=0.2), may_warn=frozenset({"damaged_packets"})
)
