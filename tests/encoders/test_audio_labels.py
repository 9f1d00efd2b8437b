"""The default labels of a tagger."""

from vqe_core.encoders.audio_labels import PHOTO_PROMPT, SOUND_LABELS, SOUND_PROMPT, UNSEEN_LABELS


def test_there_are_about_sixty_distinct_labels_in_plain_words():
    assert 55 <= len(SOUND_LABELS) <= 70
    assert len(set(SOUND_LABELS)) == len(SOUND_LABELS)
    assert all(label == label.strip() and label.islower() and "," not in label for label in SOUND_LABELS)


def test_no_label_lacks_a_visible_source():
    unseen = {label.lower() for label in UNSEEN_LABELS}
    assert not unseen & set(SOUND_LABELS)
    assert not any(word in label for label in SOUND_LABELS for word in ("silence", "noise", "echo", "background"))


def test_prompts_take_a_label():
    assert SOUND_PROMPT.format(label="rain") == "This is a sound of rain."
    assert PHOTO_PROMPT.format(label="rain") == "a photo of rain"
