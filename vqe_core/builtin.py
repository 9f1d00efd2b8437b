"""The built-in components, a line each. Imports nothing that they need."""

from vqe_core.registry import register

register("sampler", "uniform", "vqe_core.samplers.uniform:UniformSampler")
register("sampler", "middle", "vqe_core.samplers.middle:MiddleSampler")
register("sampler", "every_n_seconds", "vqe_core.samplers.every_n_seconds:EveryNSecondsSampler")
register("sampler", "every_n_frames", "vqe_core.samplers.every_n_frames:EveryNFramesSampler")
register("sampler", "all_keyframes", "vqe_core.samplers.all_keyframes:AllKeyframesSampler")
register("sampler", "scene", "vqe_core.samplers.scene:SceneSampler")
register("sampler", "all", "vqe_core.samplers.all_frames:AllFramesSampler")

register("reader", "pyav", "vqe_core.media.pyav_reader:PyAVReader")
register("reader", "frames", "vqe_core.media.frames_reader:FramesReader")
register("reader", "torchcodec", "vqe_core.media.torchcodec_reader:TorchcodecReader")

# The name is the checkpoint's `model_type`.
register("encoder", "clip", "vqe_core.encoders.clip:ClipEncoder")
register("encoder", "metaclip_2", "vqe_core.encoders.clip:ClipEncoder")
register("encoder", "chinese_clip", "vqe_core.encoders.bert_clip:ChineseClipEncoder")
register("encoder", "altclip", "vqe_core.encoders.bert_clip:AltClipEncoder")
register("encoder", "siglip", "vqe_core.encoders.siglip:SiglipEncoder")
register("encoder", "siglip2", "vqe_core.encoders.siglip:SiglipEncoder")

register("audio_encoder", "clap", "vqe_core.encoders.clap:ClapEncoder")
register("tagger", "clap", "vqe_core.encoders.clap:ClapEncoder")
register("tagger", "audio-spectrogram-transformer", "vqe_core.encoders.ast_tagger:AstTagger")
register("joint_encoder", "pe_audio_video", "vqe_core.encoders.pe_av:PeAvEncoder")
register("joint_encoder", "embedding_gemma2", "vqe_core.encoders.embedding_gemma2:EmbeddingGemma2Encoder")
register("joint_encoder", "clip", "vqe_core.encoders.clip_clap:ClipClapJoint")

register("describer", "function", "vqe_core.llm.describer:FunctionDescriber")
register("describer", "endpoint", "vqe_core.llm.describer:EndpointDescriber")

register("judge", "function", "vqe_core.llm.judge:FunctionJudge")
register("judge", "endpoint", "vqe_core.llm.judge:EndpointJudge")

register("scorer", "emscore", "vqe_core.scorers.emscore:EMScore")
register("scorer", "video_audio_similarity", "vqe_core.scorers.video_audio_similarity:VideoAudioSimilarity")
