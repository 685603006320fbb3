"""The smallest .tflite files: tensors and nothing between them, for layers to be put on."""

from pathlib import Path


def without_layers(path: Path, *inputs: tuple[int, ...], graphs: int = 1) -> Path:
    """Write a file whose graphs have float32 inputs of these shapes, no layers and no outputs."""
    import ai_edge_litert.schema_py_generated as schema
    import flatbuffers

    model = schema.ModelT()
    # The first buffer is that of all tensors without values.
    model.version, model.operatorCodes, model.buffers, model.subgraphs = 3, [], [schema.BufferT()], []
    for _ in range(graphs):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], list(range(len(inputs))), []
        for n, shape in enumerate(inputs):
            tensor = schema.TensorT()
            tensor.name, tensor.shape, tensor.type = f"input {n}", list(shape), schema.TensorType.FLOAT32
            graph.tensors.append(tensor)
        model.subgraphs.append(graph)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
