"""Runs a peer engine (llguidance or xgrammar) over MaskBench rows and prints one line of figures as JSON.

usage: python3 peers.py ENGINE ROWS TOKENIZER.json [EVERY [VERDICTS]]

The protocol is that of diecast.ts: compile (timed), then every instance token by token with mask and commit timed together; a
valid instance must be accepted to its end, where the text may end; an invalid one must be rejected, or may not end. The clock
runs around the engine's own calls. Needs: pip install llguidance xgrammar tokenizers numpy
"""

import gzip
import json
import sys
import time


class LlGuidance:
    """llguidance with its defaults: flexible whitespace, formats enforced."""

    def __init__(self, tokenizer_file):
        import llguidance
        import llguidance.numpy

        self.module = llguidance
        self.numpy = llguidance.numpy
        with open(tokenizer_file, encoding="utf8") as file:
            self.tokenizer = llguidance.LLTokenizer(file.read())
        self.mask = self.numpy.allocate_token_bitmask(1, self.tokenizer.vocab_size)
        self.matcher = None
        self.fresh = None

    def compile(self, schema):
        grammar = json.dumps({"grammars": [{"json_schema": json.loads(schema)}]})
        self.fresh = self.module.LLMatcher(self.tokenizer, grammar)
        if self.fresh.is_error():
            raise ValueError(self.fresh.get_error())

    def start(self):
        self.matcher = self.fresh.deep_copy()

    def step(self, token):
        self.numpy.fill_next_token_bitmask(self.matcher, self.mask, 0)
        allowed = bool(int(self.mask[0, token // 32]) >> (token % 32) & 1)
        if allowed:
            self.matcher.consume_token(token)
        if self.matcher.is_error():
            raise ValueError(self.matcher.get_error())
        return allowed

    def may_end(self):
        return self.matcher.is_accepting()

    def memory_bytes(self):
        return None


class XGrammar:
    """XGrammar in the mode that follows the standard most closely: any whitespace, no strict mode."""

    def __init__(self, tokenizer_file):
        import xgrammar
        from tokenizers import Tokenizer

        self.module = xgrammar
        vocabulary = Tokenizer.from_file(tokenizer_file).get_vocab()
        tokens = [""] * (max(vocabulary.values()) + 1)
        for text, token in vocabulary.items():
            tokens[token] = text
        stops = [vocabulary[name] for name in ("<|end_of_text|>", "<|eot_id|>", "</s>", "<eos>") if name in vocabulary]
        spells_bytes = "<0x0A>" in vocabulary  # SentencePiece
        kind = xgrammar.VocabType.BYTE_FALLBACK if spells_bytes else xgrammar.VocabType.BYTE_LEVEL
        info = xgrammar.TokenizerInfo(tokens, vocab_type=kind, stop_token_ids=stops or None)
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1)
        self.mask = xgrammar.allocate_token_bitmask(1, info.vocab_size)
        self.grammar = None
        self.matcher = None

    def compile(self, schema):
        self.grammar = self.compiler.compile_json_schema(schema, any_whitespace=True, strict_mode=False)

    def start(self):
        self.matcher = self.module.GrammarMatcher(self.grammar)

    def step(self, token):
        self.matcher.fill_next_token_bitmask(self.mask)
        return self.matcher.accept_token(token)

    def may_end(self):
        return self.matcher.is_completed()

    def memory_bytes(self):
        return self.grammar.memory_size_bytes


def at(values, fraction):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] if ordered else 0


def encoder_of(tokenizer_file):
    """Cuts texts as after a prompt: without the space that some vocabularies want before the first word of a document."""
    from tokenizers import Tokenizer

    with open(tokenizer_file, encoding="utf8") as file:
        described = json.load(file)
    normalizer = described.get("normalizer") or {}
    if normalizer.get("type") == "Sequence":
        normalizer["normalizers"] = [step for step in normalizer["normalizers"] if step["type"] != "Prepend"]
    splitter = described.get("pre_tokenizer") or {}
    for step in splitter.get("pretokenizers", [splitter]):
        if step.get("type") == "Metaspace":
            step["prepend_scheme"] = "never"
    return Tokenizer.from_str(json.dumps(described))


def main():
    name, rows_file, tokenizer_file = sys.argv[1:4]
    every = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    verdicts = open(sys.argv[5], "w", encoding="utf8") if len(sys.argv) > 5 else None
    encoder = encoder_of(tokenizer_file)
    engine = {"llguidance": LlGuidance, "xgrammar": XGrammar}[name](tokenizer_file)
    counts = dict(rows=0, passing=0, compileErrors=0, falseAccepts=0, falseRejects=0)
    mask_us, compile_ms, memory = [], [], []
    opener = gzip.open if rows_file.endswith(".gz") else open
    with opener(rows_file, "rt", encoding="utf8") as file:
        rows = [line for line in file if line.strip()]
    for line in rows[::every]:
        row = json.loads(line)
        counts["rows"] += 1
        begin = time.perf_counter()
        try:
            engine.compile(row["schema"])
        except Exception as error:  # whatever a peer raises is its refusal
            counts["compileErrors"] += 1
            if verdicts:
                print(json.dumps({"id": row["id"], "verdict": "compile_error", "message": str(error)[:200]}), file=verdicts)
            continue
        compile_ms.append((time.perf_counter() - begin) * 1e3)
        size = engine.memory_bytes()
        if size is not None:
            memory.append(size)
        accepts = rejects = 0
        for test in row["tests"]:
            accepted = True
            try:
                engine.start()
                for token in encoder.encode(test["text"], add_special_tokens=False).ids:
                    begin = time.perf_counter()
                    accepted = engine.step(token)
                    mask_us.append((time.perf_counter() - begin) * 1e6)
                    if not accepted:
                        break
                accepted = accepted and engine.may_end()
            except Exception:
                accepted = False
            accepts += accepted and not test["valid"]
            rejects += test["valid"] and not accepted
        counts["falseAccepts"] += accepts > 0
        counts["falseRejects"] += rejects > 0
        counts["passing"] += not accepts and not rejects
        if verdicts:
            verdict = "false_accept" if accepts else "false_reject" if rejects else "pass"
            print(json.dumps({"id": row["id"], "verdict": verdict}), file=verdicts)
    figures = {p: at(mask_us, f) for p, f in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1))}
    sizes = lambda values: {"p50": at(values, 0.5), "p99": at(values, 0.99), "max": at(values, 1)}
    result = {"engine": name, **counts, "maskUs": figures, "coldMaskUs": None, "compileMs": sizes(compile_ms)}
    result |= {"memoryBytes": sizes(memory) if memory else None, "tokens": len(mask_us)}
    print(json.dumps(result))


main()
