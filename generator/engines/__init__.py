"""The engines of listwise teachers: vLLM in this process, or any OpenAI-compatible server."""
