"""Text to token ids: the tokenizer, its Unicode tables, vocabularies, and the 64 emojis."""
