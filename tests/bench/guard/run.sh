#!/bin/sh
# Compares ringfence with llama.cpp; see README.md. Takes the environment from a folder that is made on the first run.
#   run.sh [FOLDER] [ROUNDS] [THREADS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
folder=${1:-$root/target/bench-guard}
rounds=${2:-5}
threads=${3:-$(nproc)}
mkdir -p "$folder"
if [ ! -x "$folder/venv/bin/python" ]; then
    python3 -m venv "$folder/venv"
fi
# Built here, so that it uses all instructions of this machine, as ringfence does.
CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAMA_BUILD_TOOLS=OFF" "$folder/venv/bin/pip" install --quiet \
    --no-binary llama-cpp-python 'llama-cpp-python==0.3.36' gguf numpy
cargo build --release --manifest-path "$root/Cargo.toml" --package ringfence
set -- "$folder"/1b-q4_k.gguf "$folder"/1b-q8_0.gguf "$folder"/1b-q4_0.gguf "$folder"/8b-4layers-q4_k.gguf
"$folder/venv/bin/python" "$here/shapes.py" "$folder"
smol="${XDG_CACHE_HOME:-$HOME/.cache}/ringfence/models/smollm2-135m-instruct.gguf"
if [ -f "$smol" ]; then
    set -- "$@" "$smol"
fi
"$folder/venv/bin/python" "$here/compare.py" "$root/target/release/ringfence" "$rounds" "$threads" "$@"
