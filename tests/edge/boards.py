"""Files and program output of four boards, in the formats of their L4T.

As posted by owners: Thor's files in rbonghi/jetson_stats#711 and its separate inlet monitor in #900, a Xavier's
``nvpmodel -q`` in open-rdc/orne-box#16; tegrastats as in the appendix of each L4T's developer guide.
"""

import fnmatch

NANO = {
    "/proc/device-tree/model": "NVIDIA Jetson Nano Developer Kit",
    "/proc/device-tree/compatible": "nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210",
    "/etc/nv_tegra_release": "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64, "
    "DATE: Sat Feb 19 17:05:08 UTC 2022",
    "/etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n\n< POWER_MODEL ID=1 NAME=5W >\n",
    "nvpmodel": "NV Power Mode: 5W\n1\n",
    "tegrastats": "RAM 1409/3964MB (lfb 28x4MB) SWAP 0/1982MB (cached 0MB) IRAM 0/252kB(lfb 252kB) "
    "CPU [22%@518,67%@518,off,off] EMC_FREQ 0%@1600 GR3D_FREQ 16%@76 APE 25 PLL@28.5C CPU@32C PMIC@50C GPU@30.5C "
    "AO@39.5C thermal@31.25C POM_5V_IN 2003/2010 POM_5V_GPU 0/0 POM_5V_CPU 320/320",
}
NX_MODES = ["15W_2CORE", "15W_4CORE", "15W_6CORE", "10W_2CORE", "10W_4CORE", "10W_DESKTOP"]
"""Those that JetPack 4 had too; JetPack 5 has 20 W as well."""
XAVIER = {
    "/proc/device-tree/model": "NVIDIA Jetson Xavier NX Developer Kit",
    "/proc/device-tree/compatible": "nvidia,p3509-0000+p3668-0001\0nvidia,tegra194",
    "/etc/nv_tegra_release": "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, "
    "DATE: Tue Aug  1 19:57:35 UTC 2023",
    # Its nine modes, none of them MAXN.
    "/etc/nvpmodel.conf": "".join(
        f"< POWER_MODEL ID={number} NAME=MODE_{name} >\n"
        for number, name in enumerate([*NX_MODES, "20W_2CORE", "20W_4CORE", "20W_6CORE"])
    ),
    # Without root it also prints what it cannot open.
    "nvpmodel": "NV Fan Mode:quiet\nNV Power Mode: MODE_15W_6CORE\n2\n"
    "NVPM ERROR: Error opening /sys/kernel/nvpmodel_emc_cap/emc_iso_cap: 13\n",
    "tegrastats": "RAM 3361/6858MB (lfb 9x4MB) SWAP 2/3429MB (cached 0MB) "
    "CPU [13%@1190,9%@1190,10%@1190,8%@1190,off,off] EMC_FREQ 2%@1600 GR3D_FREQ 33%@114 VIC_FREQ 115 APE 150 "
    "AUX@35C CPU@37.5C thermal@35.55C AO@35.5C GPU@36C PMIC@50C VDD_IN 3654mW/3640mW VDD_CPU_GPU_CV 1125mW/1120mW "
    "VDD_SOC 1085mW/1085mW",
}
ORIN = {
    "/proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit",
    "/proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234",
    "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
    "DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia",
    "/etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n"
    "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n",
    "nvpmodel": "NV Power Mode: 25W\n1\n",
    "tegrastats": "04-27-2026 14:59:41 RAM 775/7620MB (lfb 3x4MB) SWAP 0/3810MB (cached 0MB) "
    "CPU [1%@729,0%@729,0%@729,0%@729,0%@729,0%@729] GR3D_FREQ 0% cpu@48.468C soc2@47.531C soc0@48.062C gpu@48.562C "
    "tj@49.156C soc1@49.156C VDD_IN 4761mW/4778mW VDD_CPU_GPU_CV 515mW/501mW VDD_SOC 1428mW/1428mW ",
}
THOR = {
    "/proc/device-tree/model": "NVIDIA Jetson AGX Thor Developer Kit",
    "/proc/device-tree/compatible": "nvidia,p4071-0000+p3834-0008\0nvidia,p3834-0008\0nvidia,tegra264",
    "/etc/nv_tegra_release": "# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64, "
    "DATE: Fri Aug 22 00:55:42 UTC 2025\n# KERNEL_VARIANT: oot\nINSTALL_TYPE=",
    "/etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=120W >\n",
    "nvpmodel": "NV Power Mode: MAXN\n0\n",
    "tegrastats": "07-31-2026 14:45:55 RAM 86905/125772MB (lfb 368x4MB) CPU [12%@972,10%@972,off,33%@1890] "
    "cpu@39.812C tj@39.906C soc012@38.812C gpu@39.906C soc345@38.625C VDD_GPU 3561mW/3561mW "
    "VDD_CPU_SOC_MSS 7910mW/7910mW VIN_SYS_5V0 7620mW/7620mW VIN 26686mW/26686mW",
}
MAXWELL_TO_BLACKWELL = {"nano": NANO, "xavier": XAVIER, "orin": ORIN, "thor": THOR}

USB_CAMERA = """ioctl: VIDIOC_ENUM_FMT
\tType: Video Capture

\t[0]: 'MJPG' (Motion-JPEG, compressed)
\t\tSize: Discrete 1920x1080
\t\t\tInterval: Discrete 0.033s (30.000 fps)
\t\t\tInterval: Discrete 0.040s (25.000 fps)
\t\tSize: Discrete 1280x720
\t\t\tInterval: Discrete 0.017s (60.000 fps)
\t[1]: 'YUYV' (YUYV 4:2:2)
\t\tSize: Discrete 640x480
\t\t\tInterval: Discrete 0.033s (30.000 fps)
"""
OLD_V4L2_CTL = """ioctl: VIDIOC_ENUM_FMT
        Index       : 0
        Type        : Video Capture
        Pixel Format: 'MJPG' (compressed)
        Name        : Motion-JPEG
                Size: Discrete 1920x1080
                        Interval: Discrete 0.067s (15.000 fps)
"""
CSI_CAMERA = """ioctl: VIDIOC_ENUM_FMT
\tType: Video Capture

\t[0]: 'RG10' (10-bit Bayer RGRG/GBGB)
\t\tSize: Discrete 3280x2464
\t\t\tInterval: Discrete 0.048s (21.000 fps)
\t\tSize: Discrete 1920x1080
\t\t\tInterval: Discrete 0.033s (30.000 fps)
"""
LOOPBACK = """ioctl: VIDIOC_ENUM_FMT
\tType: Video Capture

\t[0]: 'YU12' (Planar YUV 4:2:0)
\t\tSize: Stepwise 2x1 - 8192x8192 with step 1/1
\t[1]: 'YUYV' (YUYV 4:2:2)
\t\tSize: Continuous 48x32 - 1920x1080
\t\t\tInterval: Continuous 0.017s - 1.000s (1.000-60.000 fps)
"""
METADATA_NODE = "ioctl: VIDIOC_ENUM_FMT\n\tType: Video Capture\n\n"

MEMINFO = "MemTotal:        7803252 kB\nMemFree:         1234 kB\nMemAvailable:    5976884 kB\nSwapTotal: 3901624 kB\n"
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
ZRAM = SWAPS + "/dev/zram0                              partition\t650268\t\t0\t\t5\n"
SWAPFILE = ZRAM + "/swapfile                               file\t\t4194300\t\t0\t\t-2\n"


class Board:
    """A Host with given file contents and program output; the paths in ``refused`` cannot be opened."""

    def __init__(self, *parts, refused=(), **programs):
        self.files = {key: text for part in parts for key, text in part.items() if key.startswith("/")}
        self.programs = {key: text for part in parts for key, text in part.items() if not key.startswith("/")}
        self.programs |= programs
        self.refused = refused

    def read(self, path):
        return self.files.get(path)

    def names(self, pattern):
        folders = {"/".join(path.split("/")[:n]) for path in self.files for n in range(2, path.count("/") + 1)}
        wanted = pattern.count("/")
        return sorted(n for n in {*self.files, *folders} if n.count("/") == wanted and fnmatch.fnmatchcase(n, pattern))

    def run(self, program, *arguments):
        answer = self.programs.get(program.replace("-", "_"))
        return answer(*arguments) if callable(answer) else answer

    def usable(self, path):
        return path not in self.refused
