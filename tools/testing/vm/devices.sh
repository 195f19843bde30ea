# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2054 # QEMU's options have commas
# The devices that every topology has, whatever its IOMMU.  Sourced by run.
#
#   pcie.0 --+-- 02.0 edu                        EDU0      its own group
#            +-- 03.0 edu                        EDU1      its own group
#            +-- 04.0 root port --+-- 00.0 edu   EDU_MF2 \ one group,
#            |                    +-- 00.1 edu   EDU_MF3 / with a hot reset
#            +-- 05.0 nvme                       NVME0     its own group
#            +-- 06.0 root port ----- 00.0 e1000e  NIC0    its own group
#            +-- 07.0 pci-testdev                TESTDEV0  4 MiB of BAR memory
#            +-- 08.0 root port --+-- 00.0 edu   EDU_MF4 \ one group; the kernel
#            |                    +-- 00.1 rng   RNG_MF0 / has a driver for rng
#            +-- 09.0 edu                        EDU_MF0 \ one group, whose DMA
#            +-- 09.1 edu                        EDU_MF1 / QEMU's AMD-Vi sees too
#            +-- 0a.0 root port ----- 00.0 nvme  NVME1     a PF: four VFs, each in
#                                                          a group of its own
#
# The monitor can unplug the e1000e (nic0) and plug it again, and have the rng
# (rng0) report an error.
# The names are variables that the guest's init finds by PCI id and exports.
# edu aborts QEMU when a DMA reaches the end of its 4 KiB buffer: 4095 bytes at
# most.  Its DMA mask is 28 bits by default, here it is wide open.  A hot reset
# of what is behind a root port takes a link that trains: speed 2.5, width 1.
# Each function says that it is one of several: one that does not would come into
# a group of its own when it is removed and found again.

vm_devices() {
	local disk=$1 edu=edu,dma_mask=0xffffffffffffffff
	local queues=max_ioqpairs=10,msix_qsize=8
	local sriov=sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4

	qemu_args+=(
		-device "$edu,addr=02.0"
		-device "$edu,addr=03.0"
		-device pcie-root-port,id=port0,addr=04.0,chassis=1,slot=1,x-speed=2_5,x-width=1
		-device "$edu,bus=port0,multifunction=on,addr=00.0"
		-device "$edu,bus=port0,multifunction=on,addr=00.1"
		-drive "if=none,id=disk0,file=$disk,format=raw,snapshot=on"
		-device nvme,drive=disk0,serial=iommufd0,addr=05.0
		-device pcie-root-port,id=port1,addr=06.0,chassis=2,slot=2,x-speed=2_5,x-width=1
		-device e1000e,bus=port1,id=nic0,romfile=
		-device pci-testdev,membar=4M,addr=07.0
		-device pcie-root-port,id=port2,addr=08.0,chassis=3,slot=3,x-speed=2_5,x-width=1
		-device "$edu,bus=port2,multifunction=on,addr=00.0"
		-device virtio-rng-pci,bus=port2,multifunction=on,addr=00.1,id=rng0,aer=on
		-device "$edu,multifunction=on,addr=09.0"
		-device "$edu,multifunction=on,addr=09.1"
		-device pcie-root-port,id=port3,addr=0a.0,chassis=4,slot=4,x-speed=2_5,x-width=1
		-device nvme-subsys,id=subsys0
		-device "nvme,bus=port3,subsys=subsys0,serial=iommufd1,$queues,$sriov"
	)
}
