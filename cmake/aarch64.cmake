# aarch64.cmake - the toolchain of the preset "aarch64": Debian's cross compiler, its C library (libc6-dev-arm64-cross),
# the three libraries that base..engine need unpacked by tools/arm64_libs.sh, and qemu-user to run the tests.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

# A toolchain file is read again by every try_compile, in this very process and its environment.
set(GLIM_ARM64_ROOT "${CMAKE_CURRENT_LIST_DIR}/../build/aarch64/root" CACHE PATH "where tools/arm64_libs.sh unpacked")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES GLIM_ARM64_ROOT)
get_filename_component(GLIM_ARM64_ROOT "${GLIM_ARM64_ROOT}" ABSOLUTE)
set(ENV{PKG_CONFIG_LIBDIR} ${GLIM_ARM64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${GLIM_ARM64_ROOT})
# The .pc files name /usr/include, which pkg-config would leave out as the system's own.
set(ENV{PKG_CONFIG_ALLOW_SYSTEM_CFLAGS} 1)
set(ENV{PKG_CONFIG_ALLOW_SYSTEM_LIBS} 1)
set(CMAKE_FIND_ROOT_PATH ${GLIM_ARM64_ROOT} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

# Debian has the emulator as qemu-aarch64-static (qemu-user-static) and as qemu-aarch64 (qemu-user).
find_program(GLIM_QEMU NAMES qemu-aarch64-static qemu-aarch64 NO_CMAKE_FIND_ROOT_PATH)
if(GLIM_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR
    ${GLIM_QEMU} -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=${GLIM_ARM64_ROOT}/usr/lib/aarch64-linux-gnu)
endif()
set(CMAKE_C_FLAGS_INIT -DGLIM_TEST_EMULATED)
