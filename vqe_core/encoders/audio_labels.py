"""The default labels of a tagger: things that can be heard and seen, in plain words.

An own list: names of data sets ("Crowing, cock-a-doodle-doo") read badly in a prompt, and many name what no image
shows. What has no visible source (silence, echo, a hum) is left out on purpose.
"""

from __future__ import annotations

# From the examples of laion's CLAP.
SOUND_PROMPT = "This is a sound of {label}."
# The first prompt of CLIP's zero-shot classifiers (Radford et al., 2021, section 3.1.4).
PHOTO_PROMPT = "a photo of {label}"

SOUND_LABELS: tuple[str, ...] = (
    # people
    "a person talking", "a crying baby", "a laughing person", "a person singing", "a choir", "a cheering crowd",
    "an applauding audience", "playing children", "a person walking", "a person sneezing", "a snoring person",
    # animals
    "a barking dog", "a meowing cat", "a singing bird", "a crowing rooster", "a duck", "a cow", "a sheep", "a horse",
    "a pig", "a croaking frog", "a buzzing insect",
    # nature
    "rain", "a thunderstorm", "ocean waves", "a river", "a waterfall", "wind in the trees", "a burning fire",
    # traffic
    "a car", "a truck", "a bus", "a motorcycle", "a train", "an airplane", "a helicopter", "a boat", "a bicycle",
    "an ambulance with its siren on", "a traffic jam",
    # home and work
    "a ringing telephone", "a ticking clock", "a church bell", "a closing door", "a typing person",
    "a vacuum cleaner", "a blender", "frying food", "water running from a tap", "a toilet", "a hammer", "a drill",
    "a chainsaw", "a lawn mower", "breaking glass", "fireworks", "a gun",
    # music
    "a guitar", "a piano", "a violin", "a drum kit", "a flute", "a trumpet", "an orchestra",
)  # fmt: skip

# AudioSet classes without a source to be seen, left out where a tagger's own labels are used as they are.
UNSEEN_LABELS = frozenset(
    {
        "Silence", "Noise", "Environmental noise", "Static", "Mains hum", "Distortion", "Sidetone", "Cacophony",
        "White noise", "Pink noise", "Throbbing", "Vibration", "Echo", "Reverberation", "Sound effect", "Hum",
        "Inside, small room", "Inside, large room or hall", "Inside, public space", "Field recording",
        "Outside, urban or manmade", "Outside, rural or natural", "Background music", "Sine wave", "Harmonic",
        "Chirp tone", "Pulse", "Effects unit", "Chorus effect",
    }
)  # fmt: skip
