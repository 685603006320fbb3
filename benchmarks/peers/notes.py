"""What the page says in words: how things were compared, why a comparison is lost, what was done about a cost."""

INTRODUCTION = """\
    make bench-peers                 # all sections; DATA=folder trains the networks too
    python -m benchmarks.peers --only pose_pipelines costs

Each peer is installed from the package index at a pinned version, in an environment of its own under `runs/peers`,
and within a section all ways take turns, so that what else the machine does falls on all of them. Ratios are taken
round by round; sections run one after the other.

Each section says how busy the machine was at its end (load). Ratios of *processor time*, of all threads of a process,
hold on a busy machine too; rates only on one at rest, where overlapped stages count for our loop."""

NOTES: dict[str, str] = {
    "pose_pipelines": """\
Both follow one person with the same landmark network (`pose_landmark_full`), FP32, one thread a network: MediaPipe's
Python package has that built in. Ours also runs tracker, clips, student and decisions.

- **With the detector in every picture, which was the default when this was measured, our loop loses.** MediaPipe runs
  its detector when it has lost the one person it follows. In every 15th picture, as often as it runs by default since
  (`pose.search_every_s`), that difference is gone.
- With OpenVINO (`pose.engine openvino`) outputs that nobody reads are left out of the network. The body's mask and
  its joints in metres are a third of the landmark network's work, and MediaPipe computes them whether asked for or
  not. Leaving them out changes none of the 195 numbers that are read.
- The goal is 1.3 times MediaPipe's pictures a second. With the detector in every 15th picture and OpenVINO it is 1.8,
  with LiteRT it falls just short.""",
    "streaming": """\
The network is `dense_gcn` at 48 channels with 13 joints, same weights in every row, one thread. A step of 4 frames is
divided by 4. More in [streaming.md](streaming.md).""",
    "latency_clips": """\
Penn Action's 13 joints and 15 classes, clips of 32 frames, one person, batch 1, one thread; weights untrained, for
they do not change the time. INT8 is the Q/DQ form that `python -m calibrate` writes. *student* is the shipped one, 37
classes. OpenVINO does not gain on students, so it is no choice for them; that each of many small layers costs it more
than ONNX Runtime is our guess, not profiled. (An earlier trial had it 2.4 to 2.9 times as fast on INT8 GCNs; since then
ONNX Runtime runs every convolution of ours in eight bits, see [int8.md](int8.md).)""",
    "accuracy": """\
Top-1 in percent, in brackets the number of seeds. All networks were trained alike: 12 epochs of Penn Action, 30 of
UTD-MHAD, SGD, bfloat16, data and rates of `configs/ablation`, each on the quality it is tested on, no teacher; LQ lacks
60 % of the joints, drawn anew at each draw. These are short trainings, on which small and simple networks do relatively
well. *did not run* means just that: on two busy cores there was no time for it; `DATA=folder` goes on where it
stopped. What a teacher adds to our student is in [distillation.md](distillation.md).

On poor skeletons DenseGCN at 16 channels is more accurate than all three sizes of DD-Net, about as fast as the
smallest, and has half its parameters; on good ones it is ahead on UTD-MHAD and within a few tenths on Penn Action.
EfficientGCN-B0 is more accurate on poor skeletons, by 1 point on Penn Action and 6 on UTD-MHAD (2.6 above 24
channels), for 10 times the time of 16 channels and 4 times the parameters: it is a point of the front that ours, in
sizes that were trained here, does not cover. Taught, ours at 16 channels reaches 80.4 % on those clips of UTD-MHAD
(five seeds, [distillation.md](distillation.md)); no EfficientGCN was taught. What ST-GCN and ST-GCN++ reach is open;
they take 15 to 25 times as long as 16 channels.""",
    "latency_pictures": """\
For pose networks (BlazePose's detector apart) OpenVINO pays, and is a choice: `--pose.engine openvino`, or `engine:
openvino` under `pose` in YAML, after `pip install 'skd-edge[openvino]'`. It reads .onnx and .tflite. trt_pose's
ResNet-18 at 224 is untrained here.""",
    "roofline": """\
GFLOP and bytes are counted from the FP32 ONNX graph ([onnx_cost.py](peers/onnx_cost.py), held against layers worked
by hand): two operations a multiply-add of convolutions and products; every such layer's weights, input and output
moved once. The floor is the slower of computing at the peak and moving at the bandwidth. **The boards' columns are
computed from published peaks; nothing was measured on a board**, and no network reaches a floor: launching each
kernel costs microseconds, which is more than the student's whole floor. FP32 rows take the boards' FP16 peak and two
bytes a number.""",
    "costs": """\
Stages in turn on one thread, the demo clip with one or two people, default settings. Own
time of each function, without what it calls.""",
    "stages": """\
One person, one thread a network; stages run side by side, so that pictures a second are set by the longest, not by the
sum. Each flame is a picture's whole way at the bottom, its stages above, and on top how much of pose, tracker and
student is inside networks. BlazePose cuts out the person it follows, MobileNet-thin looks at the whole picture.""",
}

COSTS: dict[str, str] = {
    "Invoke": "both BlazePose networks. The detector looks at one square a picture, not at all of them; "
    "`search_every_s` says how often; OpenVINO leaves out the third of the landmark network that nobody reads. "
    "Not done: INT8, for which its authors' data would be needed",
    "warpAffine": "cutting, turning and scaling a body's region in one call; the picture is never scaled whole",
    "VideoCapture": "decoding; on a thread of its own, ahead of the pose stage",
    "blazepose_landmarks.py refine": "all joints at once, in windows of 7x7 of their heatmaps, not in whole ones",
    "'reduce' of 'numpy.ufunc'": "sums and tests of the refinement and of boxes' overlap; mostly the call itself. "
    "Nothing yet",
    "blazepose_detector.py detect": "pixels to -1..1 in place; the threshold before the sigmoid, so that few boxes are "
    "looked at",
    "region.py crop": "the matrix of the cut. Nothing yet",
    "GetTensor": "outputs are copied; the unread ones, the mask above all, are no longer there",
    "onnxruntime_pybind11_state.run": "the student: INT8, asked five times a second and person, all people in one run",
    "SetTensor": "one copy of the input. Nothing yet",
    "blazepose_landmarks.py _answer": "pixels to 0..1, into memory that is taken once",
    "resize": "a region that is a block of the picture is resized, which takes a third of cutting and turning",
    "litert.py run": "the boundary's check of names and shapes. Nothing yet",
    "cvtColor": "of the region alone, after it was cut",
}
