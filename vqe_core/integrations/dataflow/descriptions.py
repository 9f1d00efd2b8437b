"""Descriptions of the operators in Chinese and English, for ``get_desc``."""

from __future__ import annotations

EMSCORE = {
    "zh": (
        "EMScore 评估算子：判断字幕是否符合视频、参考字幕或两者。无需 GPU。\n\n"
        "初始化参数：\n"
        "- every_n_seconds / every_n_frames：每 N 秒或每 N 帧取一帧，最多给一个；都不给则均匀取 10 帧\n"
        "- return_all_frames：是否写出每帧分数（frame_details，JSON），默认 False\n"
        "- clip_model_path：Hugging Face 模型名或本地目录，默认 openai/clip-vit-base-patch32\n"
        "- score_types：EMScore(X,X*)、EMScore(X,V)、EMScore(X,V,X*)，默认取输入允许的全部\n"
        "- metrics：figr_P、figr_R、figr_F、cogr、full_P、full_R、full_F，默认全部\n"
        "- 其他选项（idf、device、batch_size 等）见 vqe_core.EMScore，只能用关键字传入\n\n"
        "运行参数：video_key='video_path'，candidate_key='candidate'，reference_key='reference'\n\n"
        "输出：每个“评分类型_指标”一列，另有 emscore_status、emscore_message；无法评分的行分数为空并说明原因\n"
    ),
    "en": (
        "EMScore: does a caption fit a video, its reference captions, or both? Needs no GPU.\n\n"
        "Initialization Parameters:\n"
        "- every_n_seconds / every_n_frames: a frame every N seconds or N frames, at most one of them; neither: 10 "
        "frames, evenly spread\n"
        "- return_all_frames: also write the scores of each frame (frame_details, JSON), default False\n"
        "- clip_model_path: model on the Hugging Face hub or folder, default openai/clip-vit-base-patch32\n"
        "- score_types: EMScore(X,X*), EMScore(X,V), EMScore(X,V,X*), default all that the inputs allow\n"
        "- metrics: figr_P, figr_R, figr_F, cogr, full_P, full_R, full_F, default all\n"
        "- other options of vqe_core.EMScore (idf, device, batch_size ...), by keyword only\n\n"
        "Run Parameters: video_key='video_path', candidate_key='candidate', reference_key='reference'\n\n"
        "Output: a column each '<score type>_<metric>', and emscore_status, emscore_message; a row that cannot be "
        "scored has no scores, and the reason\n"
    ),
}

VIDEO_AUDIO = {
    "zh": (
        "视频与音频相似度评估算子：声音是否符合画面？无需 GPU，真正读取音频。\n\n"
        "初始化参数：\n"
        "- hf_clip：图文模型或音视频联合模型\n"
        "- min_score / max_score：passed_filter 的相似度范围，默认 0.0 和 1.0，None 为不限\n"
        "- frame_sampling_method / frame_num：取帧方法与帧数，默认 uniform、3\n"
        "- horizontal_flip / vertical_flip：同时比较翻转的帧\n"
        "- reduce_mode：avg、max 或 min；any_or_all：一行多个视频时任一或全部通过\n"
        "- llm_serving：能听声音的 DataFlow 服务，用于描述声音；method='judge' 时看画面、听声音并打分\n"
        "- 其他选项（method、describer、device 等）见 vqe_core.VideoAudioSimilarity，只能用关键字传入\n\n"
        "运行参数：video_key='video_path'，audio_key='audio_path'（没有该列则用视频自带的声音）\n\n"
        "输出：avg_similarity、max_similarity、min_similarity、passed_filter，另有 similarity、percentile、"
        "video_audio_status、video_audio_message 等\n"
    ),
    "en": (
        "Video-audio similarity: does the audio fit the video? Needs no GPU, and listens to the audio.\n\n"
        "Initialization Parameters:\n"
        "- hf_clip: image-text model, or joint model of audio and video\n"
        "- min_score / max_score: range of similarities that pass the filter, default 0.0 and 1.0, None for no bound\n"
        "- frame_sampling_method / frame_num: which frames and how many, default uniform, 3\n"
        "- horizontal_flip / vertical_flip: also compare flipped frames\n"
        "- reduce_mode: avg, max or min; any_or_all: a row of several videos passes if any, or if all of them do\n"
        "- llm_serving: serving of DataFlow that takes audio, to describe it; with method='judge', that sees and "
        "hears, to judge\n"
        "- other options of vqe_core.VideoAudioSimilarity (method, describer, device ...), by keyword only\n\n"
        "Run Parameters: video_key='video_path', audio_key='audio_path' (without it, each video's own track)\n\n"
        "Output: avg_similarity, max_similarity, min_similarity, passed_filter, and similarity, percentile, "
        "video_audio_status, video_audio_message and others\n"
    ),
}


def in_language(texts: dict[str, str], lang: str) -> str:
    """Return the text in a language; English for one that is not there."""
    return texts.get(lang, texts["en"])
