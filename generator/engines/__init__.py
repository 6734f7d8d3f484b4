"""What a listwise teacher speaks through: vLLM in this process, or any OpenAI-compatible server."""
